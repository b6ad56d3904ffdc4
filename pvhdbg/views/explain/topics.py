"""Boot data as topics: structures, fields, flags and e820 types."""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING

from pvhdbg.abi import e820, roles
from pvhdbg.abi.layout import Bits
from pvhdbg.abi.roles import STRUCTS
from pvhdbg.views.explain.topic import FIELDS, FLAGS, STRUCTURES, TYPES, Explanation, Topic

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from pvhdbg.abi.layout import Field, Struct

ALIASES = {
    "hvm_start_info": ("start_info", "pvh_start_info"),
    "hvm_modlist_entry": ("modules",),
    "hvm_memmap_table_entry": ("memory_map.entries",),
    "boot_params": ("pvh_bootparams", "kernel_boot_params"),
}
"""Other names that a structure has in the JSON and in the kernel, by C name."""

FIELD_ALIASES = {
    ("hvm_start_info", "cmdline_paddr"): ("cmdline",),
    ("hvm_modlist_entry", "cmdline_paddr"): ("modules.cmdline",),
}
"""JSON keys whose value is the data at the address in a field, by the structure and the field."""

FLAG_PREFIXES = {"hvm_start_info": "SIF_"}
"""Prefixes of flag names in the source that the tables omit, by structure."""


def structures() -> Iterator[Topic]:
    for name, struct in STRUCTS.items():
        yield Topic(STRUCTURES, name, (name, *ALIASES.get(name, ())), partial(of_structure, struct))


def of_structure(struct: type[Struct]) -> Explanation:
    written_by, read_by, text = roles.STRUCTURES[struct.C_NAME]
    fields = tuple((f"+{row.offset:#04x}", f"{row.ctype} {row.name}", row.meaning) for row in struct.FIELDS)
    return Explanation(
        f"struct {struct.C_NAME}",
        where=f"{struct.SIZE} bytes",
        written_by=written_by,
        read_by=read_by,
        source=struct.SOURCE,
        details=(text,),
        values=fields,
    )


def fields(name: str) -> Iterator[Topic]:
    """Yield the fields of a structure, which is given by its C name."""
    roots = _roots(name)
    for field in STRUCTS[name].FIELDS:
        keys = (*(f"{root}.{field.name}" for root in roots), *FIELD_ALIASES.get((name, field.name), ()))
        yield Topic(FIELDS, keys[0], keys, partial(of_field, field))


@cache
def _roots(name: str) -> tuple[str, ...]:
    """Return every path of a structure, including the paths through the structures that contain it."""
    outer_paths = (f"{root}.{field.name}" for outer, field in _holders().get(name, ()) for root in _roots(outer))
    return (name, *ALIASES.get(name, ()), *outer_paths)


@cache
def _holders() -> dict[str, list[tuple[str, Field[Any]]]]:
    """Return the fields that are structures: the structure that has the field, and the field, by structure."""
    holders: dict[str, list[tuple[str, Field[Any]]]] = {}
    for outer, struct in STRUCTS.items():
        for field in struct.FIELDS:
            keyword, _, name = field.ctype.partition("[")[0].partition(" ")
            if keyword == "struct":
                holders.setdefault(name, []).append((outer, field))
    return holders


def of_field(field: Field[Any]) -> Explanation:
    """Explain a field from its row of the table and its role."""
    struct = field.owner
    written_by, read_by, text = roles.role(struct.C_NAME, field.name)
    if not roles.has_own_role(struct.C_NAME, field.name):
        text = f"Part of struct {struct.C_NAME}, which {text[0].lower()}{text[1:]}"
    return Explanation(
        f"{struct.C_NAME}.{field.name}",
        field.ctype,
        ", ".join(_places(field)),
        field.meaning,
        written_by,
        read_by,
        struct.SOURCE,
        (text, *_notes(field)),
        tuple((field.text(value), *name) for value, name in field.names.names.items()) if field.names else (),
    )


def _places(field: Field[Any]) -> Iterator[str]:
    name = field.owner.C_NAME
    yield f"+{field.offset:#04x} in struct {name}"
    for outer, holder in _holders().get(name, ()):
        if holder.size == field.owner.SIZE:
            yield f"+{holder.offset + field.offset:#04x} in {outer}"


def _notes(field: Field[Any]) -> Iterator[str]:
    if field.since:
        yield f"Exists in version {field.since} and later."
    if field.points_to in STRUCTS:
        yield f"It holds the address of a struct {field.points_to}."


def flags() -> Iterator[Topic]:
    """Yield the named bits of fields."""
    for name, struct in STRUCTS.items():
        for field in struct.FIELDS:
            if isinstance(field.names, Bits):
                for mask, bit in field.names.names.items():
                    paths = (f"{root}.{field.name}.{bit.name}" for root in _roots(name))
                    keys = (bit.name, f"{FLAG_PREFIXES.get(name, '')}{bit.name}", *paths)
                    yield Topic(FLAGS, bit.name, tuple(dict.fromkeys(keys)), partial(_flag, field, mask))


def _flag(field: Field[Any], mask: int) -> Explanation:
    bit = (field.names or Bits({})).names[mask]
    whole = of_field(field)
    role = roles.FLAGS.get(whole.title, {}).get(bit.name)
    if role:
        whole = whole._replace(written_by=role.written_by, read_by=role.read_by, details=(role.text,))
    return whole._replace(
        title=bit.name,
        ctype="flag",
        where=f"{mask:#x} in {whole.title}",
        meaning=bit.meaning,
        values=(),
    )


def types() -> Iterator[Topic]:
    for number, name in e820.E820_TYPES.names.items():
        keys = (name.name, f"e820.{name.name}", f"E820_TYPE_{name.name}", str(number))
        yield Topic(TYPES, name.name, keys, partial(_type, number))


def _type(number: int) -> Explanation:
    name = e820.E820_TYPES.names[number]
    return Explanation(
        f"e820 type {name.name}",
        where=f"value {_number(number)} of type in hvm_memmap_table_entry and boot_e820_entry",
        meaning=name.meaning,
        written_by="the VMM, in the memory map; init_pvh_bootparams copies it unchanged",
        read_by=roles.role("boot_e820_entry", "type").read_by,
        source=e820.BootE820Entry.SOURCE,
        details=(roles.E820_TYPES[number],),
    )


def _number(number: int) -> str:
    return f"{number:#x}" if number > 0xFFFF else str(number)
