"""PVH120 to PVH129: the CPU's registers at the entry, compared with what the ABI requires."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi.cpu import (
    CR0_PE,
    CR0_PG,
    CR0_TS,
    CR4_LA57,
    CR4_MCE,
    EFER_SVME,
    EFLAGS_VM,
    ENTRY_STATE,
    NAMED_BITS,
    segment_kind,
)
from pvhdbg.abi.start_info import StartInfo
from pvhdbg.checks.finding import ERROR, INFO, WARNING
from pvhdbg.checks.rules import Defect, rule

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pvhdbg.checks.case import Case

_TF = 1 << 8
_4G = 0xFFFFFFFF
_LIMITS = ("cs.limit", "ds.limit", "es.limit", "ss.limit")
_DESCRIPTOR = 8
_HYPERVISOR_BITS = {"cr0": CR0_TS, "cr4": CR4_MCE, "efer": EFER_SVME}
"""What Xen sets for itself while a PVH guest runs under SVM: the guest does not see these bits."""
_LIMIT_AFTER_RESET = 0xFFFF
_BUSY_TSS = 0x200


def _violations(case: Case, registers: tuple[str, ...], then: str, severity: str | None = None) -> Iterator[Defect]:
    """Yield the ABI's requirements that these registers do not meet; `then` is the consequence and the fix.

    PVH128 reports a limit that is too small but large enough for the entry and start_info.
    """
    if not case.is_entry:
        return
    for requirement in ENTRY_STATE:
        name = requirement.register
        value = _of_guest(name, case.capture.registers)
        if (
            name.partition(".")[0] in registers
            and name not in _small_limits(case)
            and value is not None
            and not requirement.is_met_by(value)
        ):
            shown = case.capture.registers.get(name) or 0
            message = f"{name} is {_value_text(name, shown)}: the ABI requires {requirement.meaning}. {then}"
            yield Defect(f"registers.{name}", message, severity=severity)


def _of_guest(name: str, registers: Mapping[str, int | None]) -> int | None:
    """Return a register without the bits that a hypervisor in QEMU has set for itself."""
    value = registers.get(name)
    is_nested = bool((registers.get("efer") or 0) & EFER_SVME)
    return value & ~_HYPERVISOR_BITS.get(name, 0) if value is not None and is_nested else value


def _value_text(register: str, value: int) -> str:
    name = NAMED_BITS[register].text(value) if register in NAMED_BITS else ""
    if register.endswith(".flags"):
        name = segment_kind(value)
    return f"{value:#x} ({name})" if name else f"{value:#x}"


def _value(case: Case, register: str) -> int:
    return case.capture.registers.get(register) or 0


def _small_limits(case: Case) -> tuple[str, ...]:
    """Return the limits of segments that are below 4 GiB, but that include the entry and start_info."""
    last = max(_value(case, "rip"), _value(case, "rbx") + StartInfo.SIZE - 1)
    return tuple(name for name in _LIMITS if last <= _value(case, name) < _4G)


@rule("PVH120", WARNING, ERROR)
def cr0_is_wrong_at_the_entry(case: Case) -> Iterator[Defect]:
    """PE must be the only writable bit of CR0 that is set. If PE is clear or paging is on, the CPU cannot run the entry
    as intended, and the guest crashes at once. The other bits (WP, NE, cache control) can break later code.

    Set PE and clear all other writable bits before entering the guest.

    Source: Xen docs/misc/pvh.pandoc.
    """
    if _value(case, "cr0") & (CR0_PE | CR0_PG) == CR0_PE:
        yield from _violations(case, ("cr0",), "The guest may depend on it. Clear the other bits.")
    else:
        then = "The guest crashes in its first instructions. Enter it in protected mode without paging."
        yield from _violations(case, ("cr0",), then, ERROR)


@rule("PVH121", WARNING, ERROR)
def cr4_is_not_0(case: Case) -> Iterator[Defect]:
    """CR4 must be 0. Most of its bits do no harm, but LA57 does: a PVH kernel builds four levels of page tables, but
    with LA57 set the CPU walks five levels once paging is on.

    Clear CR4 before entering the guest.

    Source: Xen docs/misc/pvh.pandoc; Intel SDM volume 3, 4.5.
    """
    if _value(case, "cr4") & CR4_LA57:
        then = "With LA57 set, the CPU walks the guest's four levels of page tables as five. Clear CR4."
        yield from _violations(case, ("cr4",), then, ERROR)
    else:
        yield from _violations(case, ("cr4",), "Most guests do not notice. Clear CR4.")


@rule("PVH122", WARNING, ERROR)
def eflags_enables_interrupts_or_traps(case: Case) -> Iterator[Defect]:
    """VM, IF and TF must be clear. There is no IDT yet, so the first interrupt or trap is a triple fault. If TF is set,
    the first instruction traps.

    Clear the three bits before entering the guest.

    Source: Xen docs/misc/pvh.pandoc.
    """
    if _value(case, "eflags") & (_TF | EFLAGS_VM):
        then = "The guest crashes at once: there is no IDT yet. Clear VM, IF and TF."
        yield from _violations(case, ("eflags",), then, ERROR)
    else:
        then = "The first interrupt is a triple fault: there is no IDT yet. Clear VM, IF and TF."
        yield from _violations(case, ("eflags",), then)


@rule("PVH123", ERROR)
def cs_is_not_flat_32_bit_code(case: Case) -> Iterator[Defect]:
    """The entry is 32-bit code at a physical address, so CS must be a 32-bit code segment with base 0 and a limit of 4
    GiB. The selector may have any value.

    Load CS from a descriptor for flat 32-bit code before entering the guest.

    Source: Xen docs/misc/pvh.pandoc.
    """
    yield from _violations(case, ("cs",), "The entry is 32-bit code at a physical address. Load a flat code segment.")


@rule("PVH124", ERROR)
def ds_is_not_flat_32_bit_data(case: Case) -> Iterator[Defect]:
    """Before the kernel loads its own segments, it reads start_info and the address of its GDT through DS.

    Load DS from a descriptor for flat, writable 32-bit data before entering the guest.

    Source: Xen docs/misc/pvh.pandoc.
    """
    yield from _violations(case, ("ds",), "The kernel reads start_info through DS. Load a flat data segment.")


@rule("PVH125", WARNING)
def es_or_ss_is_not_flat_32_bit_data(case: Case) -> Iterator[Defect]:
    """ES must be a flat 32-bit data segment like DS. Newer versions of the ABI also require this of SS. Linux loads ES
    and SS before it uses them, but other guests do not.

    Load ES and SS from a descriptor for flat, writable 32-bit data before entering the guest.

    Source: Xen docs/misc/pvh.pandoc.
    """
    then = "Linux loads ES and SS itself, but other guests do not. Load a flat data segment."
    yield from _violations(case, ("es", "ss"), then)


def _is_only_not_busy(case: Case) -> bool:
    flags = _value(case, "tr.flags") | _BUSY_TSS
    return all(need.is_met_by(flags) for need in ENTRY_STATE if need.register == "tr.flags")


@rule("PVH126", INFO)
def tr_is_not_a_busy_32_bit_tss(case: Case) -> Iterator[Defect]:
    """TR must hold a busy 32-bit TSS with base 0 and limit 0x67. QEMU leaves TR as it is after a reset, with limit
    0xffff. No guest is known to depend on it.

    Known guests need no change. A new VMM should load TR as the ABI requires.

    Source: Xen docs/misc/pvh.pandoc.
    """
    for defect in _violations(case, ("tr",), "No known guest depends on it."):
        if case.machine.vmm is not None and _is_only_not_busy(case):
            continue  # the VMM's TSS is busy, but QEMU's TCG does not show that
        is_reset_value = defect.field == "registers.tr.limit" and _value(case, "tr.limit") == _LIMIT_AFTER_RESET
        yield defect._replace(is_habit=case.machine.machine is not None and is_reset_value)


@rule("PVH127", WARNING, ERROR)
def a20_line_is_off(case: Case) -> Iterator[Defect]:
    """The ABI does not mention the A20 line, and every guest assumes that it is on. If it is off, each odd MiB of
    memory is an alias of the even MiB below it, so that a kernel larger than 1 MiB overwrites itself.

    Enable A20 before entering the guest.

    Source: Intel SDM volume 3, 21.33.
    """
    if case.is_entry and case.capture.registers.get("a20") == 0:
        message = (
            "a20 is 0: each odd MiB of memory is an alias of the MiB below it, so a kernel larger than 1 MiB "
            "overwrites itself. Enable A20 before entering the guest."
        )
        yield Defect("registers.a20", message, None, case.fatal_severity)


@rule("PVH128", WARNING)
def segment_limit_is_below_4_gib(case: Case) -> Iterator[Defect]:
    """The limit of CS, DS, ES and SS must be 4 GiB. A smaller one matters only to a guest that reads, writes or
    executes memory above it before it loads segments of its own: that is a general protection fault, without an IDT a
    triple fault. Alioth sets 256 MiB, because its constant lacks a digit; its GDT says 4 GiB.

    Set the limit to 0xffffffff. A guest that runs under such a VMM loads its own GDT and segments first.

    Source: Xen docs/misc/pvh.pandoc; google/alioth alioth/src/loader/xen/xen.rs.
    """
    names = _small_limits(case) if case.is_entry else ()
    if names:
        limit, verb = min(_value(case, name) for name in names), "are" if names[1:] else "is"
        message = (
            f"{', '.join(names)} {verb} {limit:#x}, below 4 GiB: an access above it is a fault until the guest loads "
            "its own segments. Set the limit to 0xffffffff."
        )
        yield Defect(f"registers.{names[0]}", message)


@rule("PVH129", INFO)
def vmm_leaves_no_gdt(case: Case) -> Iterator[Defect]:
    """The segment registers are loaded, but GDTR describes no table. The ABI allows this, and Xen does it. A guest that
    loads a segment register, or makes a far jump, before its own lgdt dies under Xen, although it works under QEMU and
    Firecracker, which leave a GDT.

    Linux needs no change. A guest must load its own GDT before it loads a segment register.

    Source: Xen docs/misc/pvh.pandoc; tools/libs/guest/xg_dom_x86.c, vcpu_hvm.
    """
    limit = case.capture.registers.get("gdtr.limit")
    if case.is_entry and limit is not None and limit < 2 * _DESCRIPTOR - 1:
        message = (
            f"gdtr.limit is {limit:#x}: the VMM leaves no GDT. A guest that loads a segment register before its own "
            "lgdt dies."
        )
        yield Defect("registers.gdtr.limit", message)
