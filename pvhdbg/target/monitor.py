"""Parse the answers of QEMU's monitor, which has data that the gdb stub does not provide.

This data is the hidden part of the segment registers, the run state, instructions disassembled in the CPU's current
mode, and the memory map.

Source: QEMU target/i386/cpu-dump.c. Numbers are hexadecimal without 0x.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pvhdbg.errors import TargetError
from pvhdbg.lazy_pattern import pattern
from pvhdbg.named_tuple import NamedTuple
from pvhdbg.target.base import KVM_INTERNAL_ERROR, TRIPLE_FAULT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Monitor = Callable[[str], str]

_SEGMENT = pattern(
    r"^(ES|CS|SS|DS|FS|GS|LDT|TR) *= *([0-9a-f]{1,16}) +([0-9a-f]{1,16}) +([0-9a-f]{1,16}) +([0-9a-f]{1,16})\b",
    re.MULTILINE,
)
_TABLE = pattern(r"^(GDT|IDT) *= *([0-9a-f]{1,16}) +([0-9a-f]{1,16})\b", re.MULTILINE)
_FLAGS = pattern(r"\b(A20)=([01])")
_STATE = pattern(r"\b[ER]FL=([0-9a-f]{1,16}) .*\bHLT=([01])")
_EFLAGS_IF = 1 << 9
_STATUS = pattern(r"VM status: (\w+)(?: \(([\w-]+)\))?")
_VERSION = pattern(r"[0-9.]*")
_UNREADABLE = pattern(r": (?:unable to read|[Cc]annot access) memory")
_BYTES = pattern(r"^[0-9a-f]+: *((?:0x[0-9a-f]{2} *)+)", re.MULTILINE)

_FLAT_VIEW = pattern(r"^ AS \"memory\",.*\n(?: .*\n)*", re.MULTILINE)
_REGION = pattern(r"^  ([0-9a-f]{16})-([0-9a-f]{16}) \(prio -?\d+, ([^)]+)\): (\S+)", re.MULTILINE)

SEGMENTS = ("cs", "ss", "ds", "es", "fs", "gs", "ldt", "tr")
TABLES = ("gdtr", "idtr")
NAMES = frozenset(
    {f"{name}.{part}" for name in SEGMENTS for part in ("base", "limit", "flags")}
    | {f"{name}.{part}" for name in TABLES for part in ("base", "limit")}
    | {"ldt", "tr", "a20"}
)
"""All registers that only the monitor has. `ldt` and `tr` are selectors; flags are the descriptor's second word."""

RUNNING, OTHERS_RUNNING = "cpus.running", "cpus.others-running"
COUNTS = frozenset((RUNNING, OTHERS_RUNNING))
"""What is asked like a register: how many CPUs, and how many besides the boot CPU, have not halted for good."""

DEATHS = {
    "shutdown": (TRIPLE_FAULT, "triple fault (or the guest itself asked for a reset or shutdown)"),
    "internal-error": (KVM_INTERNAL_ERROR, "KVM internal error"),
}
"""The run states in which a guest is dead. For each: the kind of death, and one line for the user."""

HALTED = "the guest halted with interrupts disabled"
HALTED_BY_XEN = "Xen has ended dom0 and halted the machine"
GUEST_SHUTDOWN = "guest-shutdown"
"""QMP's reason for the run state `shutdown`, if the guest itself powered the machine off."""
POWERED_OFF = "the guest powered the machine off"
DOM0_HALTED = "Xen: Hardware Dom0 halted: halting machine"
ENDED_ITSELF = (POWERED_OFF, DOM0_HALTED, HALTED_BY_XEN)
"""Messages of a guest that ended by itself, maybe on purpose."""

_BY_ANY_CPU = "triple fault (of this or another CPU, or the guest itself asked for a reset or shutdown)"


TCG = "tcg"


class Region(NamedTuple):
    """A range of physical addresses. `kind` is QEMU's term (ram, rom, i/o, …); `end` is the last address plus 1."""

    start: int
    end: int
    kind: str
    name: str


def parse_regions(text: str) -> tuple[Region, ...]:
    """Parse `info mtree -f`: the memory as the CPU sees it. Source: QEMU softmmu/memory.c."""
    view = _FLAT_VIEW.search(text)
    rows = _REGION.findall(view[0]) if view else ()
    return tuple(Region(int(start, 16), int(last, 16) + 1, kind, name) for start, last, kind, name in rows)


def parse_registers(text: str) -> dict[str, int]:
    """Parse `info registers`. Return the first CPU's registers that are in NAMES and can be parsed."""
    registers: dict[str, int] = {}
    for name, selector, *parts in _SEGMENT.findall(text):
        registers.setdefault(name.lower(), int(selector, 16))
        for part, value in zip(("base", "limit", "flags"), parts, strict=True):
            registers.setdefault(f"{name.lower()}.{part}", int(value, 16))
    for name, base, limit in _TABLE.findall(text):
        registers.setdefault(f"{name.lower()}r.base", int(base, 16))
        registers.setdefault(f"{name.lower()}r.limit", int(limit, 16))
    for name, bit in _FLAGS.findall(text):
        registers.setdefault(name.lower(), int(bit))
    return {name: value for name, value in registers.items() if name in NAMES}


def count_cpus(text: str) -> dict[str, int]:
    """Parse `info registers -a`. Return a value for each of COUNTS; none if the text shows no CPU.

    A CPU has halted for good if it waits for an interrupt that it will not take. Before the guest starts it, a CPU
    looks the same.
    """
    running = [hlt == "0" or bool(int(eflags, 16) & _EFLAGS_IF) for eflags, hlt in _STATE.findall(text)]
    return {RUNNING: sum(running), OTHERS_RUNNING: sum(running[1:])} if running else {}


def describe_death(run_state: str, others_running: int) -> tuple[str, str] | None:
    """Return the kind of a death and one line for the user; None if the guest is alive in this run state.

    QEMU does not tell which CPU had a triple fault.
    """
    found = DEATHS.get(run_state)
    return (found[0], _BY_ANY_CPU) if found and found[0] == TRIPLE_FAULT and others_running else found


def parse_memory(text: str) -> bytes:
    """Parse `xp /NNxb ADDRESS`."""
    return b"".join(bytes(int(byte, 16) for byte in line.split()) for line in _BYTES.findall(text))


def parse_run_state(text: str) -> str | None:
    """Parse `info status`. Return the run state as QMP names it; None if the text has no status."""
    match = _STATUS.search(text)
    return (match[2] or match[1]) if match else None


def parse_accelerator(text: str) -> str | None:
    """Parse `info kvm`. Return "tcg" if KVM is not used; None if it is, because KVM may emulate Xen, or is unknown."""
    return TCG if "kvm support: disabled" in text or "kvm support: not compiled" in text else None


def parse_version(text: str) -> str:
    """Parse `info version`. QEMU prints no space between version and package: `7.2.22Debian 1:7.2+dfsg-7`."""
    version = text.strip()
    match = _VERSION.match(version)
    number = match[0] if match else ""
    package = version[len(number) :].strip(" ()")
    return f"{number} ({package})" if package else number


def disassemble(monitor: Monitor, address: int, count: int) -> Sequence[str]:
    """Return `count` instructions at an address in the CPU's current mode, one per line.

    Return none if there is no monitor, or if the page tables do not map the address (they may be damaged after a
    death).
    """
    try:
        listing = monitor(f"x/{count}i {address:#x}")
    except TargetError:
        return ()
    return [line.rstrip() for line in listing.splitlines() if not _UNREADABLE.search(line)]
