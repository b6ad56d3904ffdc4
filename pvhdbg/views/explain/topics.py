"""Boot data to be explained: structures, fields, flags and e820 types, each a topic with the names it answers to."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from pvhdbg.abi import e820, roles
from pvhdbg.abi.layout import Bits, Field
from pvhdbg.abi.roles import STRUCTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pvhdbg.abi.layout import Struct

STRUCTURES, FIELDS, FLAGS, TYPES = "structures", "fields", "flags", "e820 types"


class Explanation(NamedTuple):
    """One thing told. What does not apply is empty.

    `meaning` is a phrase, `more` are sentences. `values` are the names that values of it have, the bits of a register
    or the fields of a structure: each a cell for what, its name, and its meaning.
    """

    title: str
    ctype: str = ""
    where: str = ""
    meaning: str = ""
    written_by: str = ""
    read_by: str = ""
    source: str = ""
    more: tuple[str, ...] = ()
    values: tuple[tuple[str, str, str], ...] = ()


class Topic(NamedTuple):
    """Something to ask for: `name` is how it is listed, `keys` are all its names, with a dot before each part."""

    kind: str
    name: str
    keys: tuple[str, ...]
    explain: Callable[[], Explanation]


ALIASES = {
    "hvm_start_info": ("start_info", "pvh_start_info"),
    "hvm_modlist_entry": ("modules",),
    "hvm_memmap_table_entry": ("memory_map.entries",),
    "boot_params": ("pvh_bootparams", "kernel_boot_params"),
}
"""What a structure is called in the document and in the kernel, by its C name."""

FIELD_ALIASES = {
    ("hvm_start_info", "cmdline_paddr"): ("cmdline",),
    ("hvm_modlist_entry", "cmdline_paddr"): ("modules.cmdline",),
}
"""What the document tells of what a field leads to."""

FLAG_PREFIXES = {"hvm_start_info": "SIF_"}
"""What the source's own names of a structure's flags begin with, where the table's do not."""


def structures() -> Iterator[Topic]:
    for name, struct in STRUCTS.items():
        yield Topic(STRUCTURES, name, (name, *ALIASES.get(name, ())), partial(of_structure, struct))


def of_structure(struct: type[Struct]) -> Explanation:
    written_by, read_by, text = roles.STRUCTURES[struct.C_NAME]
    fields = tuple((f"+{each.offset:#04x}", f"{each.ctype} {each.name}", each.meaning) for each in struct.FIELDS)
    return Explanation(
        f"struct {struct.C_NAME}",
        where=f"{struct.SIZE} bytes",
        written_by=written_by,
        read_by=read_by,
        source=struct.SOURCE,
        more=(text,),
        values=fields,
    )


def fields() -> Iterator[Topic]:
    for name, struct in STRUCTS.items():
        roots = list(_roots(name))
        for field in struct.FIELDS:
            keys = (*(f"{root}.{field.name}" for root in roots), *FIELD_ALIASES.get((name, field.name), ()))
            yield Topic(FIELDS, keys[0], keys, partial(of_field, field))


def _roots(name: str) -> Iterator[str]:
    """All paths to structures of that kind, also inside others."""
    yield from (name, *ALIASES.get(name, ()))
    for outer, field in _holders(name):
        yield from (f"{root}.{field.name}" for root in _roots(outer))


def _holders(name: str) -> Iterator[tuple[str, Field[Any]]]:
    for outer, struct in STRUCTS.items():
        for field in struct.FIELDS:
            if field.ctype.partition("[")[0] == f"struct {name}":
                yield outer, field


def of_field(field: Field[Any]) -> Explanation:
    """The field's row of the table, and its role."""
    struct = field.owner
    written_by, read_by, text = roles.role(struct.C_NAME, field.name)
    if not roles.is_its_own(struct.C_NAME, field.name):
        text = f"Of struct {struct.C_NAME}: {text[:1].lower()}{text[1:]}"
    return Explanation(
        f"{struct.C_NAME}.{field.name}",
        field.ctype,
        ", ".join(_places(field)),
        field.meaning,
        written_by,
        read_by,
        struct.SOURCE,
        (text, *_notes(field)),
        tuple((field.text(each), *name) for each, name in field.names.names.items()) if field.names else (),
    )


def _places(field: Field[Any]) -> Iterator[str]:
    name = field.owner.C_NAME
    yield f"+{field.offset:#04x} in struct {name}"
    for outer, holder in _holders(name):
        if holder.size == field.owner.SIZE:
            yield f"+{holder.offset + field.offset:#04x} in {outer}"


def _notes(field: Field[Any]) -> Iterator[str]:
    if field.since:
        yield f"The structure has it from version {field.since} on."
    if field.points_to in STRUCTS:
        yield f"The address of a struct {field.points_to}."


def flags() -> Iterator[Topic]:
    """The bits of fields that are made of named bits."""
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
        whole = whole._replace(written_by=role.written_by, read_by=role.read_by, more=(role.text,))
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
        where=f"{_number(number)} as type in hvm_memmap_table_entry, boot_e820_entry",
        meaning=name.meaning,
        written_by="the VMM, in the map that it hands over; init_pvh_bootparams copies it as it stands",
        read_by=roles.role("boot_e820_entry", "type").read_by,
        source=e820.BootE820Entry.SOURCE,
        more=(roles.E820_TYPES[number],),
    )


def _number(number: int) -> str:
    return f"{number:#x}" if number > 0xFFFF else str(number)
