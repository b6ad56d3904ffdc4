"""Sourced by gdb: `python print_json("EXPRESSION")` prints a C value as JSON, decoded with the debug information.

Structures are objects. Arrays of bytes and unions are hex strings. Other arrays are lists. pvhdbg's JSON is the same.
"""

import json

import gdb


def print_json(expression: str) -> None:
    gdb.write(json.dumps(to_json(gdb.parse_and_eval(expression))) + "\n")


def to_json(value: gdb.Value) -> object:
    kind = value.type.strip_typedefs()
    if kind.code == gdb.TYPE_CODE_STRUCT:
        return {str(field.name): to_json(value[field]) for field in kind.fields()}
    if kind.code == gdb.TYPE_CODE_UNION or (kind.code == gdb.TYPE_CODE_ARRAY and kind.target().sizeof == 1):
        return memory_of(value)
    if kind.code == gdb.TYPE_CODE_ARRAY:
        first, last = kind.range()
        return [to_json(value[index]) for index in range(first, last + 1)]
    return int(value)


def memory_of(value: gdb.Value) -> str:
    """Return the bytes of a value as hex."""
    if value.address is None or not value.type.sizeof:
        return ""
    return gdb.selected_inferior().read_memory(int(value.address), value.type.sizeof).tobytes().hex()
