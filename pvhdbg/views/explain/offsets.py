"""A structure and an offset looked up: `start_info+0x28`, `hdr+0x10`, `boot_params+0x210`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from pvhdbg.abi.roles import STRUCTS
from pvhdbg.errors import UserError
from pvhdbg.views.explain.topics import ALIASES

if TYPE_CHECKING:
    from pvhdbg.abi.layout import Field, Struct

_PLACE = re.compile(
    r"(?P<name>[a-z_0-9.]+?)\s*\+\s*(?P<offset>0x[0-9a-f]{1,8}|0|[1-9][0-9]{0,7})", re.IGNORECASE | re.ASCII
)


class Place(NamedTuple):
    struct: type[Struct]
    offset: int


def parse(words: str) -> Place | None:
    """Null for what is no structure and an offset."""
    found = _PLACE.fullmatch(words)
    struct = _struct(found["name"]) if found else None
    return Place(struct, int(found["offset"], 0)) if found and struct else None


def _struct(name: str) -> type[Struct] | None:
    """By its C name, by what it is called elsewhere, or by the field that holds one."""
    wanted = name.casefold()
    for c_name, struct in STRUCTS.items():
        if wanted in (c_name, *ALIASES.get(c_name, ())):
            return struct
    last = wanted.rpartition(".")[2]
    fields = (field for struct in STRUCTS.values() for field in struct.FIELDS if field.name == last)
    return next(filter(None, map(_held, fields)), None)


def _held(field: Field[Any]) -> type[Struct] | None:
    """The structure that a field is, or has many of."""
    return STRUCTS.get(field.ctype.partition("[")[0].removeprefix("struct "))


def field_at(place: Place) -> Field[Any]:
    """The innermost field that has the byte there.

    :raise UserError: if there is none; its hint names the field before it.
    """
    struct, offset = place
    for field in struct.FIELDS:
        if field.offset <= offset < field.end:
            inner = _held(field)
            return field_at(Place(inner, (offset - field.offset) % inner.SIZE)) if inner else field
    before = [each for each in struct.FIELDS if each.end <= offset]
    hint = f"{struct.C_NAME} has {struct.SIZE} bytes"
    if before and offset < struct.SIZE:
        hint = f"{before[-1].name} before it ends at +{before[-1].end:#x}"
    raise UserError(f"struct {struct.C_NAME} has no field at +{offset:#x}", hint)
