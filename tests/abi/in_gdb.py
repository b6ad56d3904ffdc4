"""Runs inside gdb: print the structures and enums that $REQUEST names, as JSON."""

import json
import os
import sys
from collections.abc import Callable
from typing import TypeVar

import gdb

T = TypeVar("T")


def ctype(of: gdb.Type | None) -> str:
    """Return a type as the tables write it: u8…u64, struct NAME, arrays of both. A union is an array of bytes."""
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
    """Return whether a type is an unsigned integer or an enum. None of the enums here has negative values."""
    return of.code == gdb.TYPE_CODE_ENUM or (of.code == gdb.TYPE_CODE_INT and "unsigned" in str(of))


def struct(name: str) -> list[object]:
    """Return a structure's size and its members: name, offset, size, type."""
    structure = gdb.lookup_type(f"struct {name}")
    members = [
        (field.name, (field.bitpos or 0) // 8, field.type and field.type.sizeof, ctype(field.type))
        for field in structure.fields()
    ]
    return [structure.sizeof, members]


def enum(name: str) -> dict[str, int]:
    """Return an enum's values by name."""
    return {str(field.name): field.enumval for field in gdb.lookup_type(f"enum {name}").fields()}


def known(names: list[str], look_up: Callable[[str], T]) -> dict[str, T]:
    """Look up these names. The result omits names that the kernel does not have."""
    results = {}
    for name in names:
        try:
            results[name] = look_up(name)
        except gdb.error:
            continue
    return results


request = json.loads(os.environ["REQUEST"])
sys.stdout.write(json.dumps({"structs": known(request["structs"], struct), "enums": known(request["enums"], enum)}))
