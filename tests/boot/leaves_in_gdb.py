"""Sourced by gdb: `python leaves("EXPRESSION")` prints a C value as its debug information describes it, as JSON.

Structures are objects, arrays of bytes and unions hex strings, other arrays lists: as pvhdbg writes them.
"""

import json

import gdb


def leaves(expression: str) -> None:
    """Print it."""
    gdb.write(json.dumps(plain(gdb.parse_and_eval(expression))) + "\n")


def plain(value: gdb.Value) -> object:
    """A value as JSON has it."""
    kind = value.type.strip_typedefs()
    if kind.code == gdb.TYPE_CODE_STRUCT:
        return {str(field.name): plain(value[field]) for field in kind.fields()}
    if kind.code == gdb.TYPE_CODE_UNION or (kind.code == gdb.TYPE_CODE_ARRAY and kind.target().sizeof == 1):
        return raw(value)
    if kind.code == gdb.TYPE_CODE_ARRAY:
        first, last = kind.range()
        return [plain(value[index]) for index in range(first, last + 1)]
    return int(value)


def raw(value: gdb.Value) -> str:
    """The memory of a value as hex."""
    if value.address is None or not value.type.sizeof:
        return ""
    return gdb.selected_inferior().read_memory(int(value.address), value.type.sizeof).tobytes().hex()
