"""PVH930 to PVH935: why a guest died, from the CPU's state and the image. Most rules do not apply to Linux."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi.cpu import CR0_PG, UD2, segment_kind
from pvhdbg.checks.finding import ERROR, WARNING
from pvhdbg.checks.outcome.failure import (
    at_rip,
    death_of,
    is_entry_overwritten,
    last_serial_line,
    last_stage,
    missing_long_mode,
    opcode,
    rip_paddr,
)
from pvhdbg.checks.outcome.fault import is_unmapped, page_walk, segment_load, uses_stack
from pvhdbg.checks.rules import ON_FAILURE, Defect, rule
from pvhdbg.named_tuple import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pvhdbg.checks.case import Case
    from pvhdbg.checks.outcome.fault import SegmentLoad

_PUSHED, _FRAME, _NEAR = 32, 256, 4096
"""How far below RSP one instruction pushes, how far above it small functions have variables, and how near to its value
at the entry RSP is as long as the guest has no stack of its own.
"""
_PRESENT, _IS_SEGMENT, _IS_CODE, _WRITABLE = 1 << 15, 1 << 12, 1 << 11, 1 << 9
_TSS = 0x9
_DESCRIPTOR = 8


def _is_fault(case: Case) -> bool:
    """Return whether a guest that is not Linux had a triple fault, other than one that it caused with `ud2`.

    If its code was overwritten before the entry, its registers explain nothing. If the CPU has no long mode, that
    explains them.
    """
    return _is_triple_fault(case) and _is_unexplained(case)


def _is_unexplained(case: Case) -> bool:
    is_explained = is_entry_overwritten(case) or missing_long_mode(case) is not None
    return opcode(case) != UD2 and not is_explained


def _is_triple_fault(case: Case) -> bool:
    return _had_triple_fault(case) and not case.is_linux


def _had_triple_fault(case: Case) -> bool:
    death = death_of(case)
    return death is not None and death.is_triple_fault


def _mask(case: Case) -> int:
    return (1 << (64 if case.capture.cpu_mode == "long64" else 32)) - 1


def _faulting_address(case: Case) -> int | None:
    """Return CR2 if the death was a page fault.

    CR2 keeps its value after a fault that the guest handled, so the guest must not have loaded an IDT, and the page
    tables, as far as they are known, must not map the address.
    """
    registers = case.capture.registers
    cr2, cr0 = registers.get("cr2"), registers.get("cr0") or 0
    if not _is_fault(case) or not cr2 or not cr0 & CR0_PG or _has_idt(case):
        return None
    return cr2 if is_unmapped(case.capture, cr2) in (True, None) else None


def _has_idt(case: Case) -> bool:
    """Return whether the guest certainly has loaded an IDT since its entry."""
    entry = case.last_stop_at("entry")
    pairs = [(entry.registers.get(name) if entry else None, case.capture.registers.get(name)) for name in _IDTR]
    return all(None not in pair for pair in pairs) and any(before != now for before, now in pairs)


_IDTR = ("idtr.base", "idtr.limit")


def stack_defect(case: Case) -> tuple[str, str] | None:
    """Return what is wrong with the stack, and what shows it; None if nothing shows that the stack is the cause."""
    rsp, cr2 = case.capture.registers.get("rsp"), _faulting_address(case)
    if rsp is None or not _is_fault(case):
        return None
    if cr2 is not None and (cr2 - rsp + _PUSHED) & _mask(case) < _PUSHED + _FRAME:
        defect = "no stack was set up" if _is_rsp_of_vmm(case, rsp) else "the stack is not mapped"
        return defect, f"page fault{at_rip(case)}, accessing {cr2:#x}, next to RSP"
    is_paging = (case.capture.registers.get("cr0") or 0) & CR0_PG
    if not is_paging and -rsp & _mask(case) < _NEAR and _has_used_stack(case, rsp):
        return "no stack was set up", "the guest pushes to the end of the address space, where there is no RAM"
    return None


def _has_used_stack(case: Case, rsp: int) -> bool:
    """Return whether the guest used the stack before it died, or died of that. RSP may be 0 because the VMM left 0."""
    entry, vmm = case.last_stop_at("entry"), case.machine.vmm
    is_unchanged = entry is not None and entry.registers.get("rsp") == rsp
    has_pushed = vmm is not None and vmm.lost_write is not None
    return not is_unchanged or has_pushed or uses_stack(case)


def _is_rsp_of_vmm(case: Case, rsp: int) -> bool:
    """Return whether RSP is still near the value that the VMM left, or near 0, as some VMMs leave it."""
    entry = case.last_stop_at("entry")
    values = (0, entry.registers.get("rsp") if entry else None)
    return any(value is not None and (rsp - value + _NEAR) & _mask(case) <= 2 * _NEAR for value in values)


@rule("PVH930", ERROR, when=ON_FAILURE, cause=True)
def guest_used_an_invalid_stack(case: Case) -> Iterator[Defect]:
    """The ABI does not define ESP at the entry. QEMU leaves the stack of its firmware, other VMMs leave 0. A guest that
    calls a function or pushes a register before it sets ESP writes to whatever address the VMM left: with ESP 0, to the
    end of the address space. There is no IDT yet, so the page fault is a triple fault.

    Set ESP to a stack of the guest's own, in memory that the page tables map, before the first `call` or `push`.

    Source: Xen docs/misc/pvh.pandoc; nanos issues 1838 and 2136, pull request 1855.
    """
    found = stack_defect(case)
    if found:
        defect, why = found
        message = f"{defect} (rsp is {case.capture.registers['rsp']:#x}): {why}. Set ESP before the first call or push."
        yield Defect("registers.rsp", message)


@rule("PVH931", ERROR, when=ON_FAILURE, cause=True)
def linked_address_is_not_mapped_yet(case: Case) -> Iterator[Defect]:
    """The guest accessed an address that its own image is linked at, but its page tables do not map that address. A
    kernel that is linked high and loaded low must run position-independent code, or code that is linked at its physical
    address, until it has mapped itself. The compiler can add such an access to code that has none: the guard of the
    stack protector, a jump table, a string.

    Map the segment in the early page tables, or build the early code without the stack protector and link it at its
    physical address.

    Source: nanos pull request 1729, where the guard of the stack protector was at a linked address.
    """
    cr2 = _faulting_address(case)
    if cr2 is None or stack_defect(case):
        return
    for index, segment in enumerate(case.image.segments if case.image else ()):
        if segment.vaddr <= cr2 < segment.vaddr + segment.memsz:
            verb = "executing" if cr2 == case.capture.rip else "accessing"
            defect = f"page fault{at_rip(case)}, {verb} {cr2:#x}, a linked address"
            why = f"segment {index} is linked there and loaded at {segment.paddr:#x}"
            fix = "Map it before use, or build early code without the stack protector."
            yield Defect("registers.cr2", f"{defect}: {why}, but the page tables do not map it yet. {fix}")
            return


@rule("PVH932", ERROR, when=ON_FAILURE, cause=True)
def guest_aborted_itself(case: Case) -> Iterator[Defect]:
    """The guest executed `ud2`, an instruction that is always invalid. Compilers generate it for a panic, for
    __builtin_trap and for code that cannot be reached. Before there is an IDT, it causes a triple fault. The guest
    gave up on its own, and has often printed the reason to its serial console.

    Read the last lines on the serial console, and look at the code with `code @died`.

    Source: Intel SDM volume 2, UD; DragonOS issues 1273 and 1487, where the guest demands an RSDP.
    """
    if not _is_triple_fault(case) or opcode(case) != UD2 or is_entry_overwritten(case):
        return
    said = last_serial_line(case)
    why = f'the last line on its serial console is "{said}"' if said else "look at its code with `code @died`"
    yield Defect("registers.rip", f"the guest aborted itself (ud2{at_rip(case)}): {why}.", rip_paddr(case))


@rule("PVH933", ERROR, when=ON_FAILURE, cause=True)
def segment_register_cannot_be_loaded(case: Case) -> Iterator[Defect]:
    """The VMM loads the segment registers, but the guest must not expect a GDT: GDTR is unspecified at the entry. The
    first load of a segment register, such as a far jump or `mov %eax, %ds`, reads the descriptor from the GDT. If the
    selector is outside the GDT, or the descriptor is not present or has the wrong type, it causes a general protection
    fault.

    Load a GDT of the guest's own with `lgdt`, at an address that is correct before paging, and use its selectors.

    Source: Xen docs/misc/pvh.pandoc; Intel SDM volume 3, 3.4.2 and 6.15.
    """
    is_other = _is_fault(case) and not stack_defect(case)
    load = segment_load(case) if is_other or _is_linux_at_its_entry(case) else None
    why = _why_not_loaded(case, load) if load else None
    if load and why:
        selector = "" if load.selector is None else f" with selector {load.selector:#x}"
        message = f"{load.mnemonic}{selector} failed{at_rip(case)}: {why}. {_gdt_fix(case)}"
        yield Defect("registers.gdtr.base", message)


def _is_linux_at_its_entry(case: Case) -> bool:
    """Return whether Linux died between its entry and xen_prepare_pvh, where it loads its own GDT."""
    is_there = case.is_linux and last_stage(case) == "entry"
    return is_there and _had_triple_fault(case) and _is_unexplained(case)


def _gdt_fix(case: Case) -> str:
    if any(verdict.slug == "beyond-memory" for verdict in case.verdicts):
        return "The machine has no memory for the end of the kernel (PVH507): use a larger -m."
    if case.is_linux:
        return "The kernel loads a GDT of its own: check that the memory of its image is intact."
    return "Load a GDT of the guest's own with lgdt."


class _Gdt(NamedTuple):
    base: int
    limit: int


def _gdt(case: Case) -> _Gdt | None:
    base, limit = (case.capture.registers.get(f"gdtr.{part}") for part in ("base", "limit"))
    return None if base is None or limit is None else _Gdt(base, limit)


def _why_not_loaded(case: Case, load: SegmentLoad) -> str | None:
    """Return why a segment register cannot be loaded; None if its descriptor is valid or not known."""
    gdt = _gdt(case)
    if gdt is None:
        return None
    where = f"the GDT at {gdt.base:#x} (limit {gdt.limit:#x})"
    entry = case.last_stop_at("entry")
    if entry and entry.registers.get("gdtr.base") == gdt.base:
        where = f"the VMM's GDT at {gdt.base:#x} (limit {gdt.limit:#x}), which the guest must not use,"
    if load.selector is None:
        return None
    if load.selector < _DESCRIPTOR // 2:
        return "a null selector is not allowed" if load.register in ("cs", "ss", "tr") else None
    if load.selector & 4:
        return None
    index = load.selector & ~(_DESCRIPTOR - 1)
    if index + _DESCRIPTOR - 1 > gdt.limit:
        is_absent = entry and gdt.limit < 2 * _DESCRIPTOR - 1 and entry.registers.get("gdtr.limit") == gdt.limit
        return (
            f"the VMM left no GDT (GDTR has limit {gdt.limit:#x})"
            if is_absent
            else f"the selector is outside {where.rstrip(',')}"
        )
    defect = _descriptor_defect(case, load.register, gdt.base + index)
    return f"the descriptor in {where} {defect}" if defect else None


def _descriptor_defect(case: Case, register: str, vaddr: int) -> str | None:
    found = page_walk(case.capture, vaddr)
    if found is None:
        return None
    raw = None if found.paddr is None else case.capture.bytes_at(found.paddr, _DESCRIPTOR)
    if raw is None:
        return "is not mapped" if found.paddr is None else None
    flags = int.from_bytes(raw[4:], "little") & 0xF0FF00
    if not flags & _PRESENT:
        return "is not present"
    kind = segment_kind(flags)
    if register == "tr":
        return None if not flags & _IS_SEGMENT and flags >> 8 & 0xF == _TSS else f"has the type {kind}"
    is_code = bool(flags & _IS_CODE)
    is_wrong = not flags & _IS_SEGMENT or (register == "cs" and not is_code) or (register == "ss" and is_code)
    is_read_only = register == "ss" and not flags & _WRITABLE
    return f"has the type {kind}" if is_wrong else "is read-only" if is_read_only else None


@rule("PVH934", ERROR, when=ON_FAILURE, cause=True)
def guest_page_faulted_without_an_idt(case: Case) -> Iterator[Defect]:
    """The guest accessed an address that its page tables do not map. It has not loaded an IDT, so the page fault is a
    triple fault. CR2 holds the address, and RIP points to the instruction.

    Look at the instruction with `code @died`, and map the address in the early page tables, or load an IDT first.

    Source: Intel SDM volume 3, 4.7 and 6.15.
    """
    cr2 = _faulting_address(case)
    if cr2 is None or stack_defect(case) or any(segment_register_cannot_be_loaded(case)):
        return
    if any(linked_address_is_not_mapped_yet(case)):
        return
    message = f"page fault{at_rip(case)}, accessing {cr2:#x}: the guest's page tables do not map it, and it has no IDT."
    yield Defect("registers.cr2", f"{message} Map the address, or load an IDT.")


@rule("PVH935", WARNING, when=ON_FAILURE)
def guest_died_outside_its_image(case: Case) -> Iterator[Defect]:
    """RIP is in none of the image's segments. Unless the guest copies code to other memory, it jumped to a wrong
    address, or returned to one from a stack that was overwritten.

    Look at what is there with `code @died`. Check the stack, and whether the image was overwritten.

    Source: Intel SDM volume 3, 6.15.
    """
    rip, image = case.capture.rip, case.image
    if not (_had_triple_fault(case) and _is_unexplained(case)) or image is None or rip is None or not image.segments:
        return
    mapped = page_walk(case.capture, rip)
    paddr = None if mapped is None else mapped.paddr
    if paddr is None:
        is_outside = image.to_vaddr(rip) is None and image.to_paddr(rip) is None
    else:  # Linux links a segment at 0, where it never runs
        is_outside = image.to_vaddr(paddr) is None
    if is_outside:
        why = "the guest jumped or returned to a wrong address, unless it copied code there"
        message = f"rip is {rip:#x}, outside every segment of the image: {why}."
        yield Defect("registers.rip", message, rip_paddr(case))
