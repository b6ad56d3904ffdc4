"""Runs inside gdb: print the structures and enums that $ASKED names as JSON."""

import json
import os
import sys
from collections.abc import Callable
from typing import TypeVar

import gdb

T = TypeVar("T")


def ctype(of: gdb.Type | None) -> str:
    """A type as our tables write it: u8…u64, struct NAME, arrays of both; a union is its bytes."""
    if of is None:
        return "nothing"
    bare = of.strip_typedefs()
    if bare.code == gdb.TYPE_CODE_ARRAY:
        first, last = bare.range()
        return f"{ctype(bare.target())}[{last - first + 1}]"
    if bare.code == gdb.TYPE_CODE_UNION:
        return f"u8[{bare.sizeof}]"
    if bare.code == gdb.TYPE_CODE_STRUCT:
        return f"struct {bare.tag}"
    return f"u{8 * (bare.sizeof or 0)}" if unsigned(bare) else str(bare)


def unsigned(of: gdb.Type) -> bool:
    """Whether a type is an unsigned integer, or an enum, which holds no negative value here."""
    return of.code == gdb.TYPE_CODE_ENUM or (of.code == gdb.TYPE_CODE_INT and "unsigned" in str(of))


def struct(name: str) -> list[object]:
    """A structure's size and its members: name, offset, size, type."""
    found = gdb.lookup_type(f"struct {name}")
    members = [
        (each.name, (each.bitpos or 0) // 8, each.type and each.type.sizeof, ctype(each.type))
        for each in found.fields()
    ]
    return [found.sizeof, members]


def enum(name: str) -> dict[str, int]:
    """An enum's values by name."""
    return {str(each.name): each.enumval for each in gdb.lookup_type(f"enum {name}").fields()}


def known(names: list[str], look_up: Callable[[str], T]) -> dict[str, T]:
    """What the kernel has of these, by name."""
    found = {}
    for name in names:
        try:
            found[name] = look_up(name)
        except gdb.error:
            continue
    return found


asked = json.loads(os.environ["ASKED"])
sys.stdout.write(json.dumps({"structs": known(asked["structs"], struct), "enums": known(asked["enums"], enum)}))
