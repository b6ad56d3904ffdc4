"""Addresses as users type them, and their values. They are the same in every place that accepts an address."""

VALUES = {
    "0x21e0": 0x21E0,
    "4096": 4096,
    "052": 0o52,
    "0b1010": 10,
    "0x10UL": 16,
    "0x2000 + 0x1e0": 0x21E0,
    "0x2000 - 020": 0x1FF0,
    "$rbx": None,
    "rbx": None,
    "$rbx + 8": None,
    "$rip - 1": None,
}
"""The value of each text; None if the value depends on the machine."""

ERRORS = {
    "08": '"08": not an octal number',
    "0x": '"0x": not a number',
    "0o52": '"0o52": not a number',
    "99999999999999999999999999999999": '"99999999999999999999999999999999": out of range',
    "0x10000000000000000": '"0x10000000000000000": out of range',
    "0 - 1": '"0 - 1": out of range',
    "0xffffffffffffffff + 1": '"0xffffffffffffffff + 1": out of range',
    "no_such_symbol": "no symbol no_such_symbol",
    "no_such_symbol+8": "no symbol no_such_symbol",
    "no_such_symbol+": '"no_such_symbol+": not an address',
    "1 2": '"1 2": not an address',
    "*no_such_symbol": '"*no_such_symbol": not an address',
    "$no_such_register": "$no_such_register: ",
}
"""The beginning of the error for each text."""

GDB_ONLY = {"(0x2000 | 0x1e0)": 0x21E0, "2 * 0x1000": 0x2000}
"""Texts that only gdb can evaluate."""

GDB_ERRORS = {
    "(1e30)": '"(1e30)": not a 64-bit integer',
    "(-1e30)": '"(-1e30)": not a 64-bit integer',
    "(1.5)": '"(1.5)": not a 64-bit integer',
}
"""The errors for texts that gdb can evaluate, but whose values it would cut."""
