"""What QEMU's monitor tells and its stub does not: the hidden part of the segment registers, the run state, the code
in the CPU's own mode, what lies where in memory. Standard library only.

Source: QEMU target/i386/cpu-dump.c. Numbers are hexadecimal without 0x.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from pvhdbg.errors import TargetError
from pvhdbg.target.base import KVM_INTERNAL_ERROR, TRIPLE_FAULT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Ask = Callable[[str], str]

_SEGMENT = re.compile(
    r"^(ES|CS|SS|DS|FS|GS|LDT|TR) *= *([0-9a-f]+) +([0-9a-f]+) +([0-9a-f]+) +([0-9a-f]+)", re.MULTILINE
)
_TABLE = re.compile(r"^(GDT|IDT) *= *([0-9a-f]+) +([0-9a-f]+)", re.MULTILINE)
_A20 = re.compile(r"\bA20=([01])")
_STATUS = re.compile(r"VM status: (\w+)(?: \(([\w-]+)\))?")
_VERSION = re.compile(r"[0-9.]*")
_UNREADABLE = re.compile(r": (?:unable to read|[Cc]annot access) memory")
_BYTES = re.compile(r"^[0-9a-f]+: *((?:0x[0-9a-f]{2} *)+)", re.MULTILINE)

_FLAT_VIEW = re.compile(r"^ AS \"memory\",.*\n(?: .*\n)*", re.MULTILINE)
_REGION = re.compile(r"^  ([0-9a-f]{16})-([0-9a-f]{16}) \(prio -?\d+, ([^)]+)\): (\S+)", re.MULTILINE)

SEGMENTS = ("cs", "ss", "ds", "es", "fs", "gs", "ldt", "tr")
TABLES = ("gdtr", "idtr")
NAMES = frozenset(
    {f"{name}.{part}" for name in SEGMENTS for part in ("base", "limit", "flags")}
    | {f"{name}.{part}" for name in TABLES for part in ("base", "limit")}
    | {"ldt", "tr", "a20"}
)
"""Every register that only the monitor tells. `ldt` and `tr` are selectors; flags are the descriptor's second word."""

DEATHS = {
    "shutdown": (TRIPLE_FAULT, "triple fault, or a reset or shutdown that the guest asked for"),
    "internal-error": (KVM_INTERNAL_ERROR, "KVM internal error"),
}
"""The run states that are the end of a guest: how it died, and a line for a person."""


class Region(NamedTuple):
    """What a machine has at physical addresses: `kind` is QEMU's (ram, rom, i/o, …), `end` one past the last byte."""

    start: int
    end: int
    kind: str
    name: str


def regions(text: str) -> tuple[Region, ...]:
    """The answer to `info mtree -f`: all that the CPU finds in memory. Source: QEMU softmmu/memory.c."""
    view = _FLAT_VIEW.search(text)
    found = _REGION.findall(view[0]) if view else ()
    return tuple(Region(int(start, 16), int(last, 16) + 1, kind, name) for start, last, kind, name in found)


def registers(text: str) -> dict[str, int]:
    """The answer to `info registers`, of its first CPU, as far as it can be read."""
    found: dict[str, int] = {}
    for name, selector, *parts in _SEGMENT.findall(text):
        found.setdefault(name.lower(), int(selector, 16))
        for part, value in zip(("base", "limit", "flags"), parts, strict=True):
            found.setdefault(f"{name.lower()}.{part}", int(value, 16))
    for name, base, limit in _TABLE.findall(text):
        found.setdefault(f"{name.lower()}r.base", int(base, 16))
        found.setdefault(f"{name.lower()}r.limit", int(limit, 16))
    if match := _A20.search(text):
        found["a20"] = int(match[1])
    return {name: value for name, value in found.items() if name in NAMES}


def memory(text: str) -> bytes:
    """The answer to `xp /NNxb ADDRESS`."""
    return b"".join(bytes(int(each, 16) for each in line.split()) for line in _BYTES.findall(text))


def run_state(text: str) -> str | None:
    """QMP's name of the run state that `info status` shows."""
    found = _STATUS.search(text)
    return (found[2] or found[1]) if found else None


def version(text: str) -> str:
    """What `info version` shows. It puts number and package in one word: `7.2.22Debian 1:7.2+dfsg-7`."""
    words = text.strip()
    found = _VERSION.match(words)
    number = found[0] if found else ""
    package = words[len(number) :].strip(" ()")
    return f"{number} ({package})" if package else number


def instructions(ask: Ask, address: int, count: int) -> Sequence[str]:
    """So many instructions at an address as the CPU's mode has them, one a line; none where there is no monitor, or
    the page tables, after a death perhaps no good ones, lead nowhere.
    """
    try:
        told = ask(f"x/{count}i {address:#x}")
    except TargetError:
        return ()
    return [line.rstrip() for line in told.splitlines() if not _UNREADABLE.search(line)]
