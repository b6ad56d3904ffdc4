"""Paths of fields, such as boot_params.hdr.cmd_line_ptr, and the bytes that they stand for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi.layout import Struct
from pvhdbg.abi.text import printable
from pvhdbg.errors import UserError
from pvhdbg.named_tuple import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from pvhdbg.boot.stop.capture import Capture

ALIASES = {"pvh_bootparams": "boot_params"}
"""The kernel's names for what has another name in the JSON."""

_FORMS = "use a path such as boot_params.hdr.cmd_line_ptr, or ADDRESS[,LENGTH]; `who --all` shows all paths"
MOST_MODULES, MOST_ENTRIES, MOST_E820_ENTRIES = 64, 512, 203
"""How many modules, entries of the memory map, and entries of the kernel's e820_table have fields.

A guest can claim thousands of them, and each takes time. Linux reads at most 128 entries of the memory map.
"""
_LISTS = {
    "modules": "this boot has no module; pass one with -i FILE",
    "memory_map.entries": "this boot has no memory map",
    "e820_table": _FORMS,
}
"""The lists of the boot data, each with a hint if it is empty."""
_MOST_MEANT = 3
"""How many paths the hint after a mistake names."""


class FieldBytes(NamedTuple):
    """A field without fields of its own: its path, its physical address, and its size in bytes."""

    path: str
    paddr: int
    size: int

    @property
    def end(self) -> int:
        return self.paddr + self.size


class Fields:
    """The fields of all boot data of a capture at the stage bootparams, of start_info, and of later captures.

    `left_out` has a text for each long list of which only the first items have fields.
    """

    def __init__(self, *captures: Capture) -> None:
        found = {field.path: field for capture in captures for field in _fields(capture)}
        self.all = tuple(found.values())
        self.left_out = tuple(dict.fromkeys(text for capture in captures for text in _left_out(capture)))

    def find(self, path: str) -> tuple[FieldBytes, ...]:
        """Return the fields that a path stands for: one, or all that are part of a structure.

        :raise UserError: if there is no such field.
        """
        found = tuple(field for field in self.all if is_part(field.path, full_path(path)))
        if not found:
            raise UserError(f"{printable(path[:80])}: no such field of the boot data", self._hint(path[:80]))
        return found

    def _hint(self, path: str) -> str:
        """Return the paths that the user may have meant, the limit of a long list, or the forms of a path."""
        from difflib import get_close_matches  # only a mistake needs it

        known = dict.fromkeys(whole for field in self.all for whole in _wholes(field.path))
        by_name = [whole for whole in known if path in whole.rpartition(".")[2]] if path else []
        meant = sorted(by_name, key=len) or get_close_matches(full_path(path), known, _MOST_MEANT)
        if any(is_part(full_path(path), text.split(":")[0]) for text in self.left_out):
            return f"use an index that `who` covers ({', '.join(self.left_out)})"
        if out_of_range := _index_hint(full_path(path), known):
            return out_of_range
        return f"did you mean {' or '.join(meant[:_MOST_MEANT])}?" if meant else _FORMS

    def at(self, paddr: int) -> FieldBytes | None:
        """Return the field that contains a physical address."""
        return next((field for field in self.all if field.paddr <= paddr < field.end), None)

    def path_at(self, paddr: int) -> str | None:
        """Return the path of a field, with the offset in it: `cmdline+0x4`."""
        field = self.at(paddr)
        if field is None:
            return None
        return field.path + (f"+{paddr - field.paddr:#x}" if paddr > field.paddr else "")


def _index_hint(path: str, known: Collection[str]) -> str | None:
    """Return a hint about a list that is shorter than the path needs, or that this boot does not have."""
    for name, why_none in _LISTS.items():
        if not path.startswith(f"{name}["):
            continue
        count = sum(whole.startswith(f"{name}[") and whole.endswith("]") for whole in known)
        if not count:
            return why_none
        if path.partition("]")[0] + "]" not in known:
            return f"use an index from 0 to {count - 1}" if count > 1 else "use index 0: there are no others"
    return None


def _wholes(path: str) -> Iterator[str]:
    """Yield a path and the paths of the structures that it is part of: `modules[0].paddr`, `modules[0]`, `modules`."""
    while path:
        yield path
        path = path[: max(path.rfind("."), path.rfind("["), 0)]


def full_path(path: str) -> str:
    """Return the path in the JSON of a path that may begin with the kernel's name."""
    head, dot, rest = path.partition(".")
    return ALIASES.get(head, head) + dot + rest


def is_part(path: str, whole: str) -> bool:
    """Return whether a path is `whole`, or below it."""
    return path == whole or path.startswith((f"{whole}.", f"{whole}["))


def _fields(capture: Capture) -> Iterator[FieldBytes]:
    for name, record in (
        ("start_info", capture.start_info),
        ("pvh_start_info", capture.pvh_start_info),
        ("boot_params", capture.boot_params),
        ("kernel_boot_params", capture.kernel_boot_params),
    ):
        if record is not None:
            yield from _leaves(name, record)
    yield from _lists(capture)
    if capture.e820_table is not None:
        yield FieldBytes("e820_table.nr_entries", capture.e820_table.paddr, 4)
        yield from _indexed("e820_table", capture.e820_table.entries[:MOST_E820_ENTRIES])


def _left_out(capture: Capture) -> Iterator[str]:
    """Yield a text for each list of which only the first items have fields: `modules: the first 64 of 4096`."""
    for path, records, most in (
        ("modules", capture.modules, MOST_MODULES),
        ("memory_map.entries", capture.memory_map and capture.memory_map.entries, MOST_ENTRIES),
        ("e820_table", capture.e820_table and capture.e820_table.entries, MOST_E820_ENTRIES),
    ):
        if records is not None and len(records) > most:
            yield f"{path}: the first {most} of {len(records)}"


def _lists(capture: Capture) -> Iterator[FieldBytes]:
    if capture.cmdline is not None:
        yield FieldBytes("cmdline", capture.cmdline.paddr, len(capture.cmdline.raw) + 1)
    for index, module in enumerate((capture.modules or ())[:MOST_MODULES]):
        yield from _leaves(f"modules[{index}]", module.entry)
        if module.cmdline is not None:
            yield FieldBytes(f"modules[{index}].cmdline", module.cmdline.paddr, len(module.cmdline.raw) + 1)
    if capture.memory_map is not None:
        if capture.memory_map.is_module and capture.memory_map.paddr is not None:
            yield FieldBytes("memory_map.nr_entries", capture.memory_map.paddr, 4)
        yield from _indexed("memory_map.entries", capture.memory_map.entries[:MOST_ENTRIES])


def _leaves(path: str, record: Struct) -> Iterator[FieldBytes]:
    for field, value in record.rows():
        name = f"{path}.{field.name}"
        if isinstance(value, Struct):
            yield from _leaves(name, value)
        elif isinstance(value, tuple) and value and isinstance(value[0], Struct):
            yield from _indexed(name, value)
        else:
            yield FieldBytes(name, record.address_of(field) or 0, field.size)


def _indexed(path: str, records: Iterable[Struct]) -> Iterator[FieldBytes]:
    for index, record in enumerate(records):
        yield from _leaves(f"{path}[{index}]", record)
