"""Parse the memory map that a kernel prints on its console: the "BIOS-e820" lines of Linux and the teaching guest.

Source: Linux arch/x86/kernel/e820.c, e820_print_type.
"""

import re

_LINE = re.compile(rb"BIOS-e820: \[mem 0x([0-9a-f]{16})-0x([0-9a-f]{16})\] +(.+?)\r?\n")
_NUMBERED = re.compile(r"(?:persistent(?: RAM)? \(type (\d+)\)|type (\d+))")
# Linux 6.16 says System RAM instead of usable, and device reserved instead of reserved.
_TYPES = {
    "usable": 1,
    "System RAM": 1,
    "reserved": 2,
    "device reserved": 2,
    "ACPI data": 3,
    "ACPI NVS": 4,
    "unusable": 5,
    "soft reserved": 0xEFFFFFFF,
}

Range = tuple[int, int, int]
"""An address, a size and a type."""


def ranges(console: bytes) -> list[Range]:
    """Return the ranges in all complete lines of the console, in the same order."""
    return [_range(int(first, 16), int(last, 16), kind.decode()) for first, last, kind in _LINE.findall(console)]


def _range(first: int, last: int, kind: str) -> Range:
    numbered = _NUMBERED.fullmatch(kind)
    return first, last - first + 1, int(numbered[1] or numbered[2]) if numbered else _TYPES[kind]
