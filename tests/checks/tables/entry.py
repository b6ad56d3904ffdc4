"""Rules about start_info and the CPU's registers at the entry."""

from __future__ import annotations

from typing import Any

from pvhdbg.boot.record.document import VmmFacts
from pvhdbg.boot.stop.capture import MISSING_STAGE
from pvhdbg.boot.stop.stop import Stop
from pvhdbg.checks.case import Case
from tests import build
from tests.build import START_INFO, VARIABLES
from tests.checks.cases import HOBBY, LINUX_32, MACHINE, RFC, Row, blob, entry, error, info, prepare, warning

GIB = 1 << 30
COPY = VARIABLES["pvh_start_info"]
WITHOUT_XEN = MACHINE._replace(vmm=VmmFacts("xen-domu", "", ()))
ON_XEN = MACHINE._replace(argv=("-accel", "kvm,xen-version=0x40011"))
OTHER_GUEST: dict[str, Any] = {"image": HOBBY, "symbols": {}}
"""Not known to be a Linux."""


def state(**registers: int) -> dict[str, Any]:
    return {"registers": {name.replace("__", "."): value for name, value in registers.items()}}


def used_as_a_stack(magic_at_entry: int) -> Case:
    """Return the case between entry and prepare of a kernel that has pushed an address to where start_info was."""
    first = entry(magic=magic_at_entry)
    now = entry(magic=0x1000A3B).capture
    between = now._replace(missing={**now.missing, MISSING_STAGE: "after entry, at no stage"})
    return Case(Stop(between, (first.capture,), first.image), first.machine)


HANDOVER = (
    Row(
        "PVH101",
        lambda: used_as_a_stack(0x41414141),
        error("start_info.magic", START_INFO),
        lambda: used_as_a_stack(0x336EC578),
    ),
    Row("PVH101", lambda: entry(magic=0x41414141), error("start_info.magic", START_INFO), entry),
    Row(
        "PVH101",
        lambda: entry(magic=0x336EC579),
        error("start_info.magic", START_INFO),
        lambda: prepare(magic=0x336EC578),
    ),
    Row("PVH102", lambda: entry(None), error("start_info.version", START_INFO + 0x4), lambda: entry(**blob())),
    Row("PVH102", lambda: entry(None, **OTHER_GUEST), warning("start_info.version", START_INFO + 4), entry),
    Row("PVH102", lambda: entry(None, machine=WITHOUT_XEN), error("start_info.version", START_INFO + 4), entry),
    Row("PVH102", lambda: entry(None, machine=ON_XEN), info("start_info.version", START_INFO + 4), entry),
    Row(
        "PVH103",
        lambda: entry(memmap_entries=0),
        error("start_info.memmap_entries", START_INFO + 0x30),
        lambda: entry(memmap_entries=1),
    ),
    Row(
        "PVH103",
        lambda: entry(memmap_entries=0, **OTHER_GUEST),
        warning("start_info.memmap_entries", START_INFO + 0x30),
        lambda: entry(memmap_entries=1, **OTHER_GUEST),
    ),
    Row(
        "PVH103",
        lambda: entry(memmap_entries=0, machine=ON_XEN),
        info("start_info.memmap_entries", START_INFO + 0x30),
        lambda: entry(memmap_entries=0, version=0, machine=ON_XEN),
    ),
    Row("PVH104", lambda: entry(version=2), info("start_info.version", START_INFO + 0x4), lambda: entry(version=1)),
    Row("PVH105", lambda: entry(flags=0x20), info("start_info.flags", START_INFO + 0x8), lambda: entry(flags=0x1F)),
    Row("PVH105", lambda: entry(flags=0x10000), info("start_info.flags", START_INFO + 8), lambda: entry(flags=0xFF1F)),
    Row("PVH106", lambda: entry(reserved=1), info("start_info.reserved", START_INFO + 0x34), entry),
    Row(
        "PVH107",
        lambda: entry(memmap_paddr=0),
        error("start_info.memmap_paddr", START_INFO + 0x28),
        lambda: entry(None, memmap_paddr=0),
    ),
    Row(
        "PVH107",
        lambda: entry(modlist_paddr=0),
        error("start_info.modlist_paddr", START_INFO + 0x10),
        lambda: entry(modules=()),
    ),
    Row(
        "PVH108",
        lambda: entry(cmdline_paddr=1 << 32),
        error("start_info.cmdline_paddr", START_INFO + 0x18),
        lambda: entry(cmdline_paddr=(1 << 32) - 1),
    ),
    Row(
        "PVH108",
        lambda: entry(cmdline_paddr=1 << 32, **OTHER_GUEST),
        warning("start_info.cmdline_paddr", START_INFO + 0x18),
        lambda: entry(cmdline_paddr=1 << 32, magic=0),
    ),
    Row(
        "PVH108",
        lambda: entry(modlist_paddr=1 << 32, rsdp_paddr=1 << 32, memmap_paddr=1 << 32),
        warning("start_info.modlist_paddr", START_INFO + 0x10)
        + warning("start_info.rsdp_paddr", START_INFO + 0x20)
        + warning("start_info.memmap_paddr", START_INFO + 0x28),
        lambda: entry(modlist_paddr=(1 << 32) - 1, rsdp_paddr=(1 << 32) - 1, memmap_paddr=(1 << 32) - 1),
    ),
    Row(
        "PVH109",
        lambda: entry(memmap_paddr=GIB),
        error("start_info.memmap_paddr", START_INFO + 0x28),
        lambda: entry(memmap_paddr=GIB - 24 * len(build.MAP)),
    ),
    Row(
        "PVH109",
        lambda: prepare(modlist_paddr=GIB),
        error("pvh_start_info.modlist_paddr", COPY + 0x10),
        lambda: prepare(rsdp_paddr=GIB),
    ),
    Row(
        "PVH109",
        lambda: entry(memmap_paddr=GIB, image=HOBBY),
        error("start_info.memmap_paddr", START_INFO + 0x28),
        lambda: entry(memmap_paddr=GIB, symbols=RFC),
    ),
    Row(
        "PVH109",
        lambda: entry(memmap_paddr=0x1801000, image=LINUX_32),
        warning("start_info.memmap_paddr", START_INFO + 0x28),
        lambda: entry(image=LINUX_32),
    ),
    Row(
        "PVH109",
        lambda: entry(memmap_paddr=GIB, **OTHER_GUEST),
        warning("start_info.memmap_paddr", START_INFO + 0x28),
        lambda: entry(memmap_paddr=0x1801000, image=LINUX_32._replace(kind="elf"), symbols={}),
    ),
    Row("PVH110", lambda: entry(registers={"rbx": 1 << 31}), error("registers.rbx"), entry),
    Row("PVH110", lambda: entry(registers={"rbx": 0}), error("registers.rbx"), lambda: entry(registers={"rbx": None})),
    Row("PVH111", lambda: prepare({4: b"\2"}), warning("pvh_start_info.version", COPY + 0x4), prepare),
)

ENTRY_STATE = (
    Row("PVH120", lambda: entry(**state(cr0=0x80000011)), error("registers.cr0"), lambda: entry(**state(cr0=0x11))),
    Row(
        "PVH120",
        lambda: entry(**state(cr0=0x10011)),
        warning("registers.cr0"),
        lambda: prepare(**state(cr0=0x10011)),
    ),
    Row("PVH120", lambda: entry(**state(cr0=0x10)), error("registers.cr0"), lambda: entry(**state(cr0=0x1))),
    Row("PVH121", lambda: entry(**state(cr4=0x1000)), error("registers.cr4"), lambda: entry(**state(cr4=0))),
    Row("PVH121", lambda: entry(**state(cr4=0x20)), warning("registers.cr4"), lambda: prepare(**state(cr4=0x20))),
    Row("PVH122", lambda: entry(**state(eflags=0x102)), error("registers.eflags"), lambda: entry(**state(eflags=0x46))),
    Row("PVH122", lambda: entry(**state(eflags=0x202)), warning("registers.eflags"), lambda: entry(**state(eflags=2))),
    Row("PVH122", lambda: entry(**state(eflags=0x20002)), error("registers.eflags"), lambda: entry(**state(eflags=6))),
    Row(
        "PVH123",
        lambda: entry(**state(cs__base=0xFFFF0000)),
        error("registers.cs.base"),
        lambda: entry(**state(cs=0x38)),
    ),
    Row(
        "PVH124",
        lambda: entry(**state(ds__limit=0xFFFF)),
        error("registers.ds.limit"),
        lambda: entry(**state(ds__flags=0xC09300)),
    ),
    Row(
        "PVH125",
        lambda: entry(**state(ss__flags=0)),
        warning("registers.ss.flags"),
        lambda: prepare(**state(ss__flags=0)),
    ),
    Row("PVH126", entry, info("registers.tr.limit"), lambda: entry(**state(tr__limit=0x67))),
    Row("PVH127", lambda: entry(**state(a20=0)), error("registers.a20"), lambda: entry(registers={"a20": None})),
    Row(
        "PVH127",
        lambda: entry(**state(a20=0), **OTHER_GUEST),
        warning("registers.a20"),
        lambda: entry(**state(a20=1), **OTHER_GUEST),
    ),
    Row("PVH126", entry, info("registers.tr.limit"), lambda: entry(**state(rip=0x1000851))),
    Row(
        "PVH128",
        lambda: entry(**state(cs__limit=0xFFFFFFF, ds__limit=0xFFFFFFF)),
        warning("registers.cs.limit"),
        lambda: entry(**state(cs__limit=0x100084F)),  # the entry is beyond this limit: PVH123
    ),
    Row(
        "PVH129",
        lambda: entry(**state(gdtr__limit=0)),
        info("registers.gdtr.limit"),
        lambda: entry(**state(gdtr__limit=0xF)),
    ),
)

ROWS = (*HANDOVER, *ENTRY_STATE)
