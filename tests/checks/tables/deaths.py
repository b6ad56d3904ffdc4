"""Rules about how a run ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pvhdbg.boot.record.document import LostWrite, VmmFacts, XenFacts
from pvhdbg.image.facts import EM_386
from tests.build import MODLIST, RAMDISK, START_INFO, TABLES
from tests.checks.cases import (
    BLOB,
    LINUX_32,
    MACHINE,
    NAME,
    RFC,
    UPSTREAM,
    Row,
    blob,
    died,
    entry,
    error,
    foreign,
    halted_early,
    prepare,
    reset_after_panic,
    verdict,
    waiting,
    warning,
)
from tests.checks.tables.memory import many

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pvhdbg.checks.case import Case

GIB = 1 << 30
DIRECT_MAP = 0xFFFF888000000000
I386 = LINUX_32._replace(machine=EM_386)
ON_KVM = MACHINE._replace(accel="kvm")
STACK = 0x310D320 + 4096 + 200
"""Close behind pvh_bootparams."""
PUSHED = 0xFFFFFFFC


def overrun(count: int) -> dict[str, Any]:
    return {"table": many(count), "memmap_paddr": 0x20000, "registers": {"rsp": STACK}}


def unmapped(modules: Sequence[tuple[int, int, int, int]], cr2: int) -> dict[str, Any]:
    """Return a page fault of a kernel with the 2017 RFC protocol that was passed these modules."""
    return {"symbols": RFC, "code": "8b00", "cpu": {"cr2": cr2}, **blob(modules=modules)}


def no_lme(efer: int) -> dict[str, Any]:
    """Return a death after paging was enabled, as under TCG on a CPU without long mode, with this EFER."""
    return {"reached": "entry", "code": "6a10", "cpu": {"cr0": 0x80000011, "cr4": 0x20, "efer": efer, "cr2": 0x10008A0}}


def refused(value: int) -> dict[str, Any]:
    """Return a death at the wrmsr that writes this value to EFER, as under KVM."""
    return {"reached": "entry", "code": "0f30", "cpu": {"cr0": 0x11, "efer": 0, "rcx": 0xC0000080, "rax": value}}


def on_xen(qemu: str, **differences: Any) -> Case:  # noqa: ANN401 - the arguments of another function
    """Return the end of a dom0 that halted after xen_prepare_pvh, on Xen in this QEMU."""
    machine = MACHINE._replace(xen=XenFacts("xen.gz", "4.17.7"), qemu=qemu)
    message = "Xen: Hardware Dom0 halted: halting machine"
    return died(
        **{"how": "domain-crash", "message": message, "reached": "bootparams", "machine": machine} | differences
    )


def lost_write(write: LostWrite | None, name: str = "firecracker", rsp: int = 0) -> Case:
    machine = MACHINE._replace(vmm=VmmFacts(name, "", (), write))
    return entry(machine=machine, registers={"rsp": rsp})


ROWS = (
    Row(
        "PVH937",
        lambda: lost_write(LostWrite(PUSHED, b"\5\0\x10\0", 0x100040, "f")),
        error("machine.vmm.lost_write", PUSHED),
        lambda: lost_write(None),
    ),
    Row(
        "PVH937",  # no stack: the guest wrote elsewhere, or the recording is hostile
        lambda: lost_write(LostWrite(0xFFFFF000, b"", 0, None), "../x", rsp=0x1000),
        error("machine.vmm.lost_write", 0xFFFFF000),
        lambda: lost_write(None, "../x", rsp=0x1000),
    ),
    Row("PVH936", lambda: on_xen("10.0.13"), error("machine.qemu"), lambda: on_xen("7.2.22 (Debian 1:7.2+dfsg-7)")),
    Row("PVH936", lambda: on_xen("11.1.3"), error("machine.qemu"), lambda: on_xen("11.1.3", reached="kernel")),
    Row("PVH936", lambda: on_xen("10.0.2"), error("machine.qemu"), lambda: on_xen("10.0.2", how="triple-fault")),
    Row("PVH900", died, error("registers.rip", 0x305A2A8), waiting),
    Row("PVH900", reset_after_panic, error("registers.rip", 0x305A2A8), waiting),
    Row("PVH901", lambda: died(magic=0), error("start_info.magic", START_INFO), lambda: died(magic=0, code="90")),
    Row(
        "PVH901",
        lambda: died(table=None, symbols={}),
        error("start_info.version", START_INFO + 0x4),
        lambda: died(table=None, reached="kernel"),
    ),
    Row(
        "PVH902",
        lambda: died(code="8b00", memmap_paddr=GIB, cpu={"cr2": DIRECT_MAP + GIB}),
        error("start_info.memmap_paddr", START_INFO + 0x28),
        lambda: died(code="0f0b", memmap_paddr=GIB, cpu={"cr2": DIRECT_MAP + GIB}),
    ),
    Row(
        "PVH902",
        lambda: died(code="8b00", image=LINUX_32, memmap_paddr=0x1801000, cpu={"cr2": 0xC1801000}),
        error("start_info.memmap_paddr", START_INFO + 0x28),
        lambda: died(code="8b00", image=LINUX_32, memmap_paddr=0x1801000, cpu={"cr2": 0}),
    ),
    Row(
        "PVH902",
        lambda: died(code="8b00", cpu={"cr2": 0xFFFF000000000000}),
        error("registers.cr2"),
        lambda: died(code="8b00", cpu={"cr2": 0xFFFF000000000000}, reached="bootparams"),
    ),
    Row(
        "PVH902",
        lambda: died(code="8b00", cpu={"cr2": 0xFFFF000000000000}),
        error("registers.cr2"),
        lambda: reset_after_panic(code="8b00", cpu={"cr2": 0xFFFF000000000000}),
    ),
    Row(
        "PVH902",
        lambda: died(**unmapped(modules=((RAMDISK, 1, 0, 0), (1, 1, GIB, 0)), cr2=DIRECT_MAP + GIB)),
        error("modules[1].cmdline_paddr", MODLIST + 0x30),
        lambda: died(**unmapped(modules=((RAMDISK, 1, 0, 0), (1, 1, GIB, 0)), cr2=0)),
    ),
    Row(
        "PVH902",
        lambda: died(**unmapped(modules=((RAMDISK, 1, 0, 0), (GIB - 2, 1, NAME, 0)), cr2=DIRECT_MAP + GIB)),
        error("modules[1].paddr", MODLIST + 0x20),
        lambda: died(**unmapped(modules=((RAMDISK, 1, 0, 0), (GIB - 2, 1, NAME, 0)), cr2=0)),
    ),
    Row("PVH903", lambda: died(symbols=RFC), error("machine.accel"), lambda: died(symbols=RFC, machine=ON_KVM)),
    Row(
        "PVH904",
        lambda: died(code="c3", **overrun(200)),
        error("start_info.memmap_entries", START_INFO + 0x30),
        lambda: died(code="c3", **overrun(168)),
    ),
    Row(
        "PVH904",
        lambda: died(symbols=RFC, code="c3", **blob(many(300), registers={"rsp": STACK})),
        error("memory_map.nr_entries", BLOB),
        lambda: died(symbols=RFC, code="c3", **blob(many(300))),
    ),
    Row(
        "PVH905",
        lambda: died(how="kvm-internal-error", code="cc"),
        error("registers.rip", 0x305A2A8),
        lambda: died(code="cc"),
    ),
    Row("PVH906", lambda: died(how="qemu-signal", message="SIGFPE"), error("machine.qemu"), died),
    Row("PVH907", lambda: died(reached=None), error("kernel.entry"), lambda: died(reached="entry")),
    Row(
        "PVH908",
        lambda: died(reached="entry", cpu={"rsp": 0x7B30}),
        warning("registers.rsp"),
        lambda: died(reached="entry", cpu={"rsp": 0x310E000}),
    ),
    Row(
        "PVH908",
        lambda: died(reached="entry", code="e8", cpu={"rsp": 0x7B38}),
        warning("registers.rsp"),
        lambda: died(reached="entry", code="90", cpu={"rsp": 0x7B38}),
    ),
    Row(
        "PVH908",  # with RSP 0, PVH930 is the explanation
        lambda: foreign(code="e8", cpu={"rsp": 0x7B30}),
        warning("registers.rsp"),
        lambda: foreign(code="e8", cpu={"rsp": 0x7B30, "cr2": 0x7B28}, puts=((TABLES, bytes(8)),)),
    ),
    Row(
        "PVH909",
        lambda: died(reached="entry", code="0f22d8", image=verdict("without-pae", "warning").image),
        error("registers.cr4"),
        lambda: died(reached="entry", code="0f22d8"),
    ),
    Row("PVH910", waiting, error("outcome.timeout"), lambda: prepare(symbols=UPSTREAM)),
    Row("PVH910", halted_early, error("outcome.timeout"), lambda: prepare(symbols=UPSTREAM)),
    Row("PVH911", lambda: died(**no_lme(efer=0)), error("machine.cpu"), lambda: died(**no_lme(efer=0x100))),
    Row("PVH911", lambda: died(**no_lme(efer=0)), error("machine.cpu"), lambda: died(**no_lme(efer=0), image=I386)),
    Row("PVH911", lambda: died(**refused(0x100)), error("machine.cpu"), lambda: died(**refused(0x800))),
)
