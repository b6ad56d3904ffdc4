"""Rules about the deaths of guests that are not Linux."""

from __future__ import annotations

from typing import Any

from pvhdbg.checks.case import Case
from tests.checks.cases import LINUX, Row, error, foreign, warning

UNMAPPED, MAPPED = 0xFFFFFFFFFFFFFFF8, 0x2000
LINKED = 0xFFFFFFFF82000000
"""In the image's linked range, and mapped by the page tables that `foreign` sets."""
HIGH = LINUX._replace(kind="elf", segments=(LINUX.segments[0]._replace(vaddr=0xFFFFFFFFC1000000),))
PERCPU = LINUX.segments[0]._replace(paddr=0x3000000, vaddr=0)
LINUX_WITH_PERCPU = LINUX._replace(segments=(*LINUX.segments, PERCPU))
"""Linux, whose variables of a CPU are linked at 0."""
HIGH_LINKED = 0xFFFFFFFFC1000010
WITHOUT_PAGING = {"cr0": 0x11, "cr4": 0, "efer": 0, "cs.flags": 0xCF9B00}
GDT = 0x1500000
CODE_64, CODE_32, DATA, READ_ONLY, ABSENT, BUSY_TSS = (
    value.to_bytes(8, "little")
    for value in (
        0x00AF9A000000FFFF,
        0x00CF9A000000FFFF,
        0x00CF92000000FFFF,
        0x00CF90000000FFFF,
        0x00CF12000000FFFF,
        0x00008B0000000067,
    )
)
MOV_DS, MOV_SS, MOV_DS_R8, LTR, FAR_JMP = "8ed8", "8ed0", "418ed8", "0f00d8", "ea00001000" + "0800"


def loading(code: str, selector: int, *descriptors: bytes, **differences: Any) -> Any:  # noqa: ANN401 - a Case
    """Return a death at an instruction that loads a segment register, with a GDT of these descriptors."""
    table = bytes(8) + b"".join(descriptors)
    cpu = {"rax": selector, "gdtr.base": GDT, "gdtr.limit": len(table) - 1, **differences.pop("cpu", {})}
    return foreign(code=code, cpu=cpu, puts=((GDT, table),), **differences)


def after_prepare(case: Case) -> Case:
    """Return the case of a guest that died after the stage prepare."""
    outcome = case.outcome and case.outcome._replace(reached="prepare")
    return Case(case.stop, case.machine, outcome)


NO_GDT = {"gdtr.base": 0, "gdtr.limit": 0}
AT_GDT = error("registers.gdtr.base")

ROWS = (
    Row(
        "PVH930",
        lambda: foreign(code="e803000000", cpu={"rsp": 0, "cr2": UNMAPPED}),
        error("registers.rsp"),
        lambda: foreign(code="e803000000", cpu={"rsp": 0, "cr2": UNMAPPED}, image=LINUX),
    ),
    Row(
        "PVH930",  # a function that makes room for its variables and then writes to them
        lambda: foreign(cpu={"rsp": 0x7000000000, "cr2": 0x70000000FF}),
        error("registers.rsp"),
        lambda: foreign(cpu={"rsp": 0x7000000000, "cr2": 0x7000000100}),
    ),
    Row(
        "PVH930",
        lambda: foreign(cpu={"rsp": 0x7000000000, "cr2": 0x6FFFFFFFE0}),
        error("registers.rsp"),
        lambda: foreign(cpu={"rsp": 0x7000000000, "cr2": 0x6FFFFFFFDF}),
    ),
    Row(
        "PVH930",  # an address that is mapped: CR2 is from a fault that the guest handled
        lambda: foreign(cpu={"rsp": 0x40000008, "cr2": 0x40000000}),
        error("registers.rsp"),
        lambda: foreign(cpu={"rsp": MAPPED + 8, "cr2": MAPPED}),
    ),
    Row(
        "PVH930",
        lambda: foreign(code="c3", cpu={**WITHOUT_PAGING, "rsp": 0xFFFFFFFC}),
        error("registers.rsp"),
        lambda: foreign(code="c3", cpu={**WITHOUT_PAGING, "rsp": 0xFFFFEFFC}),
    ),
    Row(
        "PVH931",
        lambda: foreign(code="488b05", cpu={"cr2": HIGH_LINKED}, image=HIGH),
        error("registers.cr2"),
        lambda: foreign(code="488b05", cpu={"cr2": HIGH.segments[0].vaddr + HIGH.segments[0].memsz}, image=HIGH),
    ),
    Row(
        "PVH931",
        lambda: foreign(cpu={"cr2": HIGH.segments[0].vaddr}, image=HIGH),
        error("registers.cr2"),
        lambda: foreign(cpu={"cr2": LINKED}),
    ),
    Row(
        "PVH932",
        lambda: foreign(code="0f0b"),
        error("registers.rip", 0x1000900),
        lambda: foreign(code="0f0b", image=LINUX),
    ),
    Row("PVH933", lambda: loading(MOV_DS, 0x18, CODE_64, DATA), AT_GDT, lambda: loading(MOV_DS, 0x10, CODE_64, DATA)),
    Row("PVH933", lambda: loading(MOV_DS, 0x10, CODE_64, ABSENT), AT_GDT, lambda: loading(MOV_DS, 8, CODE_64, ABSENT)),
    Row(
        "PVH933",
        lambda: loading(MOV_SS, 0x10, CODE_64, READ_ONLY),
        AT_GDT,
        lambda: loading(MOV_DS, 0x10, CODE_64, READ_ONLY),
    ),
    Row("PVH933", lambda: loading(MOV_SS, 8, CODE_64), AT_GDT, lambda: loading(MOV_DS, 8, CODE_64)),
    Row("PVH933", lambda: loading(MOV_SS, 0), AT_GDT, lambda: loading(MOV_DS, 0)),
    Row(
        "PVH933",
        lambda: loading(MOV_DS_R8, 8, DATA, cpu={"r8": 0x20}),
        AT_GDT,
        lambda: loading(MOV_DS_R8, 0x20, DATA, cpu={"r8": 8}),
    ),
    Row(
        "PVH933",  # Xen leaves no GDT
        lambda: loading(MOV_DS, 8, cpu=NO_GDT, at_entry=NO_GDT),
        AT_GDT,
        lambda: loading(MOV_DS, 0, cpu=NO_GDT, at_entry=NO_GDT),
    ),
    Row(
        "PVH933",  # a Linux whose GDT is past the end of the machine's memory
        lambda: loading(MOV_DS, 0x10, image=LINUX, cpu=NO_GDT),
        AT_GDT,
        lambda: after_prepare(loading(MOV_DS, 0x10, image=LINUX, cpu=NO_GDT)),
    ),
    Row(
        "PVH933",
        lambda: loading(LTR, 8, BUSY_TSS),
        AT_GDT,
        lambda: after_prepare(loading(LTR, 8, BUSY_TSS, image=LINUX)),
    ),
    Row(
        "PVH933",
        lambda: loading(FAR_JMP, 0, DATA, cpu=WITHOUT_PAGING),
        AT_GDT,
        lambda: loading(FAR_JMP, 0, CODE_32, cpu=WITHOUT_PAGING),
    ),
    Row(
        "PVH934",
        lambda: foreign(cpu={"cr2": 0x40000000}),
        error("registers.cr2"),
        lambda: foreign(cpu={"cr2": 0x40000000, "idtr.limit": 0xFFF}),
    ),
    Row(
        "PVH934",
        lambda: foreign(cpu={"cr2": 0x40000000}),
        error("registers.cr2"),
        lambda: foreign(cpu={"cr2": 0x40000000, **WITHOUT_PAGING}),
    ),
    Row(
        "PVH935",
        lambda: foreign(rip=0x900),
        warning("registers.rip", 0x900),
        lambda: foreign(rip=0x1000000),
    ),
    Row(
        "PVH935",
        lambda: foreign(rip=0x900, cpu=WITHOUT_PAGING, image=LINUX_WITH_PERCPU),
        warning("registers.rip", 0x900),
        lambda: foreign(rip=0x1000900, cpu=WITHOUT_PAGING, image=LINUX_WITH_PERCPU),
    ),
)
