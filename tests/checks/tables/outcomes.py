"""Rules about boot_params, e820_table and the kernel's file, and about how a run ended."""

from __future__ import annotations

from typing import Any

from pvhdbg.boot.stop.stop import Stop
from pvhdbg.checks.case import Case
from pvhdbg.image.facts import EM_386
from tests.build import MAP, SANITIZED
from tests.checks import cases
from tests.checks.cases import (
    FREEBSD,
    LINUX_32,
    MACHINE,
    RFC,
    UPSTREAM,
    Row,
    blob,
    bootparams,
    died,
    e820,
    entry,
    prepare,
    verdict,
    waiting,
)
from tests.checks.tables.memory import many

GIB = 1 << 30
DIRECT_MAP = 0xFFFF888000000000
I386 = LINUX_32._replace(machine=EM_386)
ON_KVM = MACHINE._replace(accel="kvm")
# Offsets in struct boot_params. The map has six entries; the ISA range is the seventh.
E820_ENTRIES, SENTINEL, VERSION, LOADER, LOADFLAGS, RAMDISK, CMD_LINE = 0x1E8, 0x1EF, 0x206, 0x210, 0x211, 0x218, 0x228
E820_TABLE, ISA, RSDP, EFI = 0x2D0, 0x2D0 + 6 * 20, 0x70, 0x1C0


def half_made(params: dict[int, bytes]) -> Case:
    """Return a case in the middle of xen_prepare_pvh."""
    whole = bootparams(params)
    return Case(Stop(whole.capture._replace(stage="prepare"), whole.earlier[:1], whole.image), whole.machine)


BOOT_PARAMS = (
    Row("PVH401", lambda: bootparams({E820_ENTRIES: b"\6"}), bootparams),
    Row("PVH401", lambda: bootparams({E820_ENTRIES: b"\0"}), lambda: half_made({E820_ENTRIES: b"\0"})),
    Row("PVH401", lambda: bootparams({E820_TABLE: b"\1"}), lambda: bootparams({ISA: b"\1"})),
    Row("PVH402", lambda: bootparams({ISA: b"\1"}), lambda: bootparams({ISA - 20: b"\1"})),
    Row("PVH403", lambda: bootparams({CMD_LINE: b"\0"}), bootparams),
    Row("PVH404", lambda: bootparams({RAMDISK: b"\1"}), lambda: bootparams({CMD_LINE: b"\1"})),
    Row("PVH405", lambda: bootparams({VERSION: b"\x0d\x02"}), lambda: bootparams({VERSION: b"\x12\x02"})),
    Row("PVH406", lambda: bootparams({LOADER: b"\0"}), bootparams),
    Row("PVH407", lambda: bootparams({RSDP: b"\1"}), bootparams),
    Row("PVH408", lambda: bootparams({SENTINEL: b"\xff"}), bootparams),
    Row("PVH408", lambda: bootparams({LOADFLAGS: b"\2"}), lambda: bootparams({EFI: b"\1"})),
    Row("PVH409", lambda: bootparams({EFI: b"EL32"}), lambda: bootparams({SENTINEL: b"\1"})),
    Row("PVH410", lambda: bootparams({VERSION: b"\x12\x02"}), bootparams),
    Row("PVH411", lambda: bootparams({LOADER: b"\x90"}), bootparams),
    Row("PVH412", lambda: cases.kernel({SENTINEL: b"\1"}), lambda: cases.kernel({})),
)

LOW, HIGH = SANITIZED[0], SANITIZED[-1]
E820 = (
    Row("PVH421", lambda: e820((*SANITIZED[:-1], (HIGH[0], HIGH[1] - 4096, 1))), lambda: e820(SANITIZED)),
    Row("PVH421", lambda: e820(SANITIZED[:-1]), lambda: e820(SANITIZED, {})),
    Row("PVH422", lambda: e820((LOW,)), lambda: e820(SANITIZED)),
    Row(
        "PVH422",
        lambda: e820((LOW, (HIGH[0], HIGH[1] - (1 << 20), 1))),
        lambda: e820((LOW, (HIGH[0], HIGH[1] - 4096, 1))),
    ),
)

SLUGS = {
    "linux-protocol": "PVH501",
    "multiboot": "PVH502",
    "not-x86": "PVH503",
    "elf-flags": "PVH504",
    "machine-without-pvh": "PVH505",
    "segment-sizes": "PVH506",
    "beyond-memory": "PVH507",
    "segments-overlap": "PVH508",
    "note-align-zero": "PVH509",
    "entry-zero": "PVH510",
    "note-align": "PVH511",
    "note-not-in-segment": "PVH512",
    "notes-zeroed": "PVH513",
    "no-note": "PVH514",
    "decoy-note": "PVH515",
    "owner-not-xen": "PVH516",
    "note-misplaced": "PVH517",
    "note-size": "PVH518",
    "note-scan-lost": "PVH519",
    "entry-outside": "PVH520",
    "entry-zeros": "PVH521",
    "without-pae": "PVH522",
    "append-too-long": "PVH523",
}


def _of_slug(slug: str, code: str) -> Row:
    return Row(code, lambda: verdict(slug), lambda: verdict("something-else"))


IMAGE = tuple(_of_slug(slug, code) for slug, code in SLUGS.items())

PROTOCOL = (
    Row("PVH601", lambda: entry(symbols=RFC), lambda: entry(symbols=RFC, **blob())),
    Row("PVH601", lambda: e820(SANITIZED, RFC), lambda: e820(SANITIZED)),
    Row("PVH601", lambda: entry(None, symbols=RFC), lambda: entry(symbols=RFC, **blob(table=MAP))),
    Row("PVH601", lambda: prepare(symbols=RFC), lambda: prepare(symbols=RFC, magic=0)),
    Row("PVH602", lambda: entry(**blob()), lambda: entry(symbols=RFC, **blob())),
    Row("PVH603", lambda: entry(image=FREEBSD), lambda: entry(image=FREEBSD, machine=MACHINE._replace(accel=None))),
)


def overrun(count: int) -> dict[str, Any]:
    return {"table": many(count), "memmap_paddr": 0x20000, "registers": {"rsp": 0x310D320 + 4096 + 200}}


def no_lme(efer: int) -> dict[str, Any]:
    """Return a death after paging was enabled, as under TCG on a CPU without long mode, with this EFER."""
    return {"reached": "entry", "code": "6a10", "cpu": {"cr0": 0x80000011, "cr4": 0x20, "efer": efer, "cr2": 0x10008A0}}


def refused(value: int) -> dict[str, Any]:
    """Return a death at the wrmsr that writes this value to EFER, as under KVM."""
    return {"reached": "entry", "code": "0f30", "cpu": {"cr0": 0x11, "efer": 0, "rcx": 0xC0000080, "rax": value}}


ENDS = (
    Row("PVH900", died, waiting),
    Row("PVH901", lambda: died(magic=0), lambda: died(magic=0, code="90")),
    Row("PVH901", lambda: died(table=None, symbols={}), lambda: died(table=None, reached="kernel")),
    Row(
        "PVH902",
        lambda: died(code="8b00", memmap_paddr=GIB, cpu={"cr2": DIRECT_MAP + GIB}),
        lambda: died(code="0f0b", memmap_paddr=GIB, cpu={"cr2": DIRECT_MAP + GIB}),
    ),
    Row(
        "PVH902",
        lambda: died(code="8b00", image=LINUX_32, memmap_paddr=0x1801000, cpu={"cr2": 0xC1801000}),
        lambda: died(code="8b00", image=LINUX_32, memmap_paddr=0x1801000, cpu={"cr2": 0}),
    ),
    Row("PVH903", lambda: died(symbols=RFC), lambda: died(symbols=RFC, machine=ON_KVM)),
    Row("PVH904", lambda: died(code="c3", **overrun(200)), lambda: died(code="c3", **overrun(168))),
    Row("PVH905", lambda: died(how="kvm-internal-error", code="cc"), lambda: died(code="cc")),
    Row("PVH906", lambda: died(how="qemu-signal", message="SIGFPE"), died),
    Row("PVH907", lambda: died(reached=None), lambda: died(reached="entry")),
    Row(
        "PVH908",
        lambda: died(reached="entry", cpu={"rsp": 0x7B30}),
        lambda: died(reached="entry", cpu={"rsp": 0x310E000}),
    ),
    Row(
        "PVH909",
        lambda: died(reached="entry", code="0f22d8", image=verdict("without-pae", "warning").image),
        lambda: died(reached="entry", code="0f22d8"),
    ),
    Row("PVH910", waiting, lambda: prepare(symbols=UPSTREAM)),
    Row("PVH911", lambda: died(**no_lme(efer=0)), lambda: died(**no_lme(efer=0x100))),
    Row("PVH911", lambda: died(**no_lme(efer=0)), lambda: died(**no_lme(efer=0), image=I386)),
    Row("PVH911", lambda: died(**refused(0x100)), lambda: died(**refused(0x800))),
)

ROWS = (*BOOT_PARAMS, *E820, *IMAGE, *PROTOCOL, *ENDS)
