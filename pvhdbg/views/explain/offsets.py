"""Find the field at an offset in a structure: `start_info+0x28`, `hdr+0x10`, `boot_params+0x210`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from pvhdbg.abi import c_integer
from pvhdbg.abi.roles import STRUCTS
from pvhdbg.errors import UserError
from pvhdbg.lazy_pattern import pattern
from pvhdbg.named_tuple import NamedTuple
from pvhdbg.views.explain.topics import ALIASES

if TYPE_CHECKING:
    from pvhdbg.abi.layout import Field, Struct

_PLACE = pattern(r"(?P<name>[a-z_0-9.]+?)\s*\+\s*(?P<offset>[0-9]\w{0,11})", re.IGNORECASE | re.ASCII)


class Place(NamedTuple):
    """An offset in bytes from the start of a structure. It can be past the end."""

    struct: type[Struct]
    offset: int


def parse(words: str) -> Place | None:
    """Parse `STRUCTURE+OFFSET`. Return None if `words` is something else."""
    match = _PLACE.fullmatch(words)
    struct = _struct(match["name"]) if match else None
    offset = c_integer.parse(match["offset"]) if match else None
    return None if struct is None or offset is None else Place(struct, offset)


def _struct(name: str) -> type[Struct] | None:
    """Find a structure by its C name, an alias, or the name of a field that holds it."""
    wanted = name.casefold()
    for c_name, struct in STRUCTS.items():
        if wanted in (c_name, *ALIASES.get(c_name, ())):
            return struct
    last = wanted.rpartition(".")[2]
    fields = (field for struct in STRUCTS.values() for field in struct.FIELDS if field.name == last)
    return next(filter(None, map(_type_of, fields)), None)


def _type_of(field: Field[Any]) -> type[Struct] | None:
    """Return the structure that is the type of a field, or of its elements if the field is an array."""
    return STRUCTS.get(field.ctype.partition("[")[0].removeprefix("struct "))


def field_at(place: Place) -> Field[Any]:
    """Return the innermost field that contains the byte at a place.

    :raise UserError: if the offset is past the end of the structure.
    """
    struct, offset = place
    for field in struct.FIELDS:
        if field.offset <= offset < field.end:
            inner = _type_of(field)
            return field_at(Place(inner, (offset - field.offset) % inner.SIZE)) if inner else field
    hint = f"pass an offset below {struct.SIZE:#x}, the size of struct {struct.C_NAME}"
    raise UserError(f"struct {struct.C_NAME} has no field at +{offset:#x}", hint)
