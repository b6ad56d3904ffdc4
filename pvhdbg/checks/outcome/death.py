"""PVH900 to PVH911: why the guest died or did not reach the next stage. These rules run only after such an end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi.cpu import CR0_PG, INT3, UD2
from pvhdbg.abi.e820 import ZERO_PAGE_ENTRIES, blob_size
from pvhdbg.abi.start_info import MAGIC, MemmapTableEntry, ModlistEntry
from pvhdbg.abi.text import printable
from pvhdbg.boot.model.predicted import OVERRUN, PAGE_FAULT
from pvhdbg.boot.record.document import HALTED, RESET_AFTER_PANIC, TIMED_OUT
from pvhdbg.boot.stop.address import location_suffix
from pvhdbg.boot.stop.early_maps import DIRECT_MAP_32, EarlyMaps
from pvhdbg.checks.finding import ERROR, WARNING
from pvhdbg.checks.outcome.failure import (
    at_rip,
    boot_data_address,
    death_of,
    failed_condition,
    has_panicked,
    is_entry_overwritten,
    last_serial_line,
    last_stage,
    missing_long_mode,
    opcode,
    rip_paddr,
)
from pvhdbg.checks.outcome.fault import uses_stack
from pvhdbg.checks.outcome.other_guests import stack_defect
from pvhdbg.checks.rules import ON_FAILURE, RULES, Defect, rule, sentence
from pvhdbg.image.verdicts.verdict import FATAL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pvhdbg.boot.record.document import Outcome
    from pvhdbg.checks.case import Case

_PAGE = 4096
_STACK_USED = 4096
_BEFORE_BOOTPARAMS = (None, "entry", "prepare")
_FIXES = {
    "start_info.magic": "Make EBX point to an intact struct hvm_start_info.",
    "start_info.version": "Pass a version 1 start_info with memmap_paddr and memmap_entries set.",
    "start_info.memmap_entries": "Set it to the number of entries of the table at memmap_paddr.",
}


@rule("PVH900", ERROR, when=ON_FAILURE)
def guest_died(case: Case) -> Iterator[Defect]:
    """The guest had a triple fault, KVM failed, or QEMU exited. The machine cannot continue. If the reason is known,
    another finding before this one explains it.

    Until its console works, the kernel cannot print anything. RIP still points to the instruction that failed (`code
    @died`), and after a page fault CR2 holds the address that was accessed.
    """
    death = death_of(case)
    if death is None:
        return
    message, is_ud2 = death.describe(at_rip(case)), death.is_triple_fault and opcode(case) == UD2
    if has_panicked(case):
        message = f"{RESET_AFTER_PANIC}{at_rip(case)}"
    elif is_ud2:
        message = f"triple fault{at_rip(case)}, raised by {'the ud2 of a BUG' if case.is_linux else 'a ud2'}"
    elif death.is_triple_fault and _is_explained(case):
        message = f"triple fault{at_rip(case)}"
    yield Defect("registers.rip", message, rip_paddr(case), explains_death=is_ud2)


def _is_explained(case: Case) -> bool:
    """Return whether another rule finds why the guest died, so that it cannot have asked for a reset itself."""
    causes = [rule for rule in RULES.values() if rule.cause and rule.when == ON_FAILURE]
    return last_stage(case) is not None and any(True for rule in causes for _ in rule.check(case))


def _is_linux_before_bootparams(case: Case) -> bool:
    """Return whether the guest boots like Linux and ended in or before xen_prepare_pvh."""
    return case.is_linux and last_stage(case) in _BEFORE_BOOTPARAMS


def _is_linux_without_idt(case: Case) -> bool:
    """Return whether an exception may have killed Linux before it had an IDT. A panic is not an exception."""
    return _is_linux_before_bootparams(case) and not has_panicked(case)


@rule("PVH901", ERROR, when=ON_FAILURE, cause=True)
def kernel_hit_a_bug(case: Case) -> Iterator[Defect]:
    """xen_prepare_pvh hits a BUG, which is the instruction `ud2`, if start_info's magic is wrong, or if start_info has
    no memory map and the guest is not on Xen, which could supply a map. There is no IDT yet, so the BUG causes a triple
    fault. The kernel prints its message only to Xen's console; under KVM and TCG nothing appears.

    The finding names the condition that failed. Use `--set` and `--protocol` to try other values with the same kernel.

    Source: Linux arch/x86/platform/pvh/enlighten.c.
    """
    if death_of(case) is None or opcode(case) != UD2 or not _is_linux_without_idt(case):
        return
    field, why = failed_condition(case)
    fix = _FIXES.get(field, "Look at the code with `code @died`.")
    yield Defect(field, f"BUG (ud2{at_rip(case)}): {why}. {fix}", boot_data_address(case, field))


@rule("PVH902", ERROR, when=ON_FAILURE, cause=True)
def kernel_page_faulted_without_an_idt(case: Case) -> Iterator[Defect]:
    """The kernel's first page tables map only 1 GiB of physical memory, or in a 32-bit kernel little more than the
    kernel itself. The kernel cannot read data at higher addresses. There is no IDT yet, so the page fault is a triple
    fault, and CR2 holds the address. Linux accesses physical memory through its direct map, which starts at
    0xffff888000000000 in 64-bit kernels and at 0xc0000000 in 32-bit kernels.

    Put the memory map and the module list below 1 GiB; for a 32-bit kernel, below the kernel.

    Source: Linux arch/x86/platform/pvh/head.S, arch/x86/kernel/head_64.S and head_32.S.
    """
    cr2, cr0 = (case.capture.registers.get(name) or 0 for name in ("cr2", "cr0"))
    if death_of(case) is None or not cr2 or not cr0 & CR0_PG or opcode(case) == UD2:
        return
    if not _is_linux_without_idt(case) or missing_long_mode(case):
        return
    fault, paddrs = f"page fault{at_rip(case)}, accessing {cr2:#x}", _accessed_paddrs(case, cr2)
    for name, field, start, end in _early_reads(case):
        if any(start - _PAGE < paddr < end + _PAGE for paddr in paddrs):
            message = f"{fault}: {name} points to {start:#x}-{end:#x}, {_unmapped(case)}"
            yield Defect(field, message, boot_data_address(case, field))
            return
    death = case.predicted_death
    if death and death.kind == PAGE_FAULT:
        yield Defect(death.field, f"{fault}: {death.why}.", boot_data_address(case, death.field))
    else:
        yield Defect("registers.cr2", f"{fault}: the early page tables do not map that address.")


def _unmapped(case: Case) -> str:
    maps = case.kernel_behavior.early
    if maps:
        return f"but the early page tables map only memory below {maps.limit:#x}. Put it below {maps.limit:#x}."
    return "which the early page tables of this 32-bit kernel do not map. Put it below the kernel."


def _accessed_paddrs(case: Case, cr2: int) -> list[int]:
    """Return the physical addresses that the kernel may have accessed, through its identity map or its direct map."""
    maps = case.kernel_behavior.early or EarlyMaps(direct_map=DIRECT_MAP_32)
    paddr = maps.direct_map_paddr(cr2)
    return [cr2] if paddr is None else [cr2, paddr]


def _early_reads(case: Case) -> Iterator[tuple[str, str, int, int]]:
    """Yield the name, field, start and end of each range that xen_prepare_pvh reads."""
    stop = case.boot_data_stop
    info = stop.effective_start_info if stop else None
    if stop is None or info is None:
        return
    size = info.memmap_entries * MemmapTableEntry.SIZE if info.version else 0
    if size:
        yield "memmap_paddr", "start_info.memmap_paddr", info.memmap_paddr, info.memmap_paddr + size
    size = info.nr_modules * ModlistEntry.SIZE
    if size:
        yield "modlist_paddr", "start_info.modlist_paddr", info.modlist_paddr, info.modlist_paddr + size
    if stop.modules and len(stop.modules) > 1:
        entry, memory_map = stop.modules[1].entry, stop.memory_map
        yield "cmdline_paddr of module 1", "modules[1].cmdline_paddr", entry.cmdline_paddr, entry.cmdline_paddr + 1
        count = memory_map.nr_entries if memory_map and memory_map.is_module else 0
        yield "paddr of module 1", "modules[1].paddr", entry.paddr, entry.paddr + blob_size(count)


@rule("PVH903", ERROR, when=ON_FAILURE, cause=True)
def kernel_with_the_2017_rfc_patches_requires_kvm(case: Case) -> Iterator[Defect]:
    """A kernel built with the 2017 RFC patches, as they were posted, looks for KVM's CPUID leaf and hits a BUG if there
    is no such leaf. TCG does not provide it. Other kernels do not check for it.

    Run the kernel under KVM (`--accel kvm`).

    Source: the 2017 RFC patches, arch/x86/xen/enlighten_pvh.c.
    """
    info = case.boot_data_stop.effective_start_info if case.boot_data_stop else None
    if death_of(case) is None or opcode(case) != UD2 or last_stage(case) not in _BEFORE_BOOTPARAMS or info is None:
        return
    behavior = case.kernel_behavior
    if behavior.e820_module and behavior.memmap is False and case.machine.accel == "tcg" and info.magic == MAGIC:
        message = (
            "accel is tcg, but this kernel requires KVM: it was built with the 2017 RFC patches and hits a BUG "
            f"without KVM's CPUID leaf{at_rip(case)}. Use --accel kvm."
        )
        yield Defect("machine.accel", message)


@rule("PVH904", ERROR, when=ON_FAILURE, cause=True)
def memory_map_overran_boot_params(case: Case) -> Iterator[Defect]:
    """The map has more entries than fit into struct boot_params, and the kernel wrote them past the end of the
    structure, over its stack or the canary that guards the stack. It crashes when the function returns, or panics
    without printing the message.

    Pass at most 126 entries.

    Source: Linux arch/x86/platform/pvh/enlighten.c, init_pvh_bootparams.
    """
    death = case.predicted_death
    if death and death.kind == OVERRUN and _is_linux_before_bootparams(case):
        name, most = death.field.rpartition(".")[2], ZERO_PAGE_ENTRIES - 2
        message = f"{name} is too large: {death.why}. Pass at most {most} entries."
        yield Defect(death.field, message, boot_data_address(case, death.field))


@rule("PVH905", ERROR, when=ON_FAILURE, cause=True)
def kvm_failed_to_run_an_instruction(case: Case) -> Iterator[Defect]:
    """KVM gave up on an instruction. If it is an `int3`, it is a software breakpoint that KVM cannot handle: it was set
    before the guest wrote or mapped the code, or it is in code that KVM emulates. Otherwise KVM's emulator does not
    know the instruction.

    Use hardware breakpoints (`hbreak`; KVM has four), or `--accel tcg`, which has any number of breakpoints.

    Source: Linux arch/x86/kvm/x86.c, handle_emulation_failure.
    """
    death = death_of(case)
    if death is None or death.how != "kvm-internal-error":
        return
    paddr = rip_paddr(case)
    before = None if paddr is None else case.capture.bytes_at(paddr - 1, 1)
    if INT3 in (opcode(case)[:1], before):
        why = "it cannot handle a software breakpoint (int3) at this address"
        message = f"KVM failed{at_rip(case)}: {why}. Use a hardware breakpoint (hbreak) or --accel tcg."
    else:
        message = f"KVM failed{at_rip(case)}: it cannot run the instruction there. Use --accel tcg."
    yield Defect("registers.rip", message, paddr)


@rule("PVH906", ERROR, when=ON_FAILURE, cause=True)
def qemu_exited(case: Case) -> Iterator[Defect]:
    """QEMU itself exited: it rejected something while the guest was running, it was killed, or it crashed. For example,
    it crashes with SIGFPE on a PT_NOTE segment with p_align 0.

    Read the message, which contains the last output of QEMU.
    """
    death = death_of(case)
    if death and death.how in ("qemu-exit", "qemu-signal"):
        how = "was killed by a signal" if death.how == "qemu-signal" else "exited"
        yield Defect("machine.qemu", f"QEMU {how}: {printable(death.message) or 'it printed no message'}")


@rule("PVH907", ERROR, when=ON_FAILURE, cause=True)
def guest_never_reached_its_entry(case: Case) -> Iterator[Defect]:
    """QEMU started, but the guest never reached the address in its PVH note. QEMU booted the file via another protocol,
    read a different note than intended, or loaded nothing at that address.

    `pvhdbg inspect KERNEL` shows how each loader sees the file.

    Source: QEMU hw/i386/x86.c.
    """
    if last_stage(case) is not None or case.image is None:
        return
    entry = case.image.entry
    defect = "the guest has no PVH entry" if entry is None else f"the guest never reached its PVH entry, {entry:#x}"
    worst = min(case.verdicts, key=lambda verdict: verdict.severity != FATAL, default=None)
    if worst:
        message = f"{defect}: {worst.message}. {sentence(worst.hint)}"
    else:
        message = f"{defect}: the firmware or QEMU's arguments started something else. See `pvhdbg inspect`."
    yield Defect("kernel.entry", message)


@rule("PVH908", WARNING, when=ON_FAILURE)
def stack_was_never_set_up(case: Case) -> Iterator[Defect]:
    """The ABI does not define ESP at the entry, and VMMs leave different values: QEMU leaves the stack of its firmware,
    Cloud Hypervisor and Firecracker leave 0. A guest that pushes before it sets ESP works with one VMM and crashes with
    another. The guest died when it was using that stack, or had used it.

    Set ESP in the first instructions of the entry.

    Source: Xen docs/misc/pvh.pandoc; nanos pull request 1855.
    """
    entry = case.last_stop_at("entry")
    before, now = (stop.registers.get("rsp") if stop else None for stop in (entry, case.capture))
    if death_of(case) is None or last_stage(case) != "entry" or before is None or now is None:
        return
    if stack_defect(case) or is_entry_overwritten(case):
        return
    # A guest that died before it used the stack may still have been about to set ESP.
    if abs(now - before) < _STACK_USED and (now != before or uses_stack(case)):
        message = (
            f"rsp is {now:#x}, still near its value at the entry ({before:#x}): the guest may not have set up its "
            "own stack. Set ESP in its first instructions."
        )
        yield Defect("registers.rsp", message)


@rule("PVH909", ERROR, when=ON_FAILURE, cause=True)
def kernel_was_built_without_pae(case: Case) -> Iterator[Defect]:
    """The kernel crashed when it enabled paging: it was built without PAE, but its PVH entry sets CR4.PAE.

    Build it with CONFIG_X86_PAE=y, or use a kernel with commit db9aded979b4.

    Source: Linux commit db9aded979b4.
    """
    if death_of(case) and last_stage(case) == "entry":
        for verdict in case.verdicts:
            if verdict.slug == "without-pae":
                message = f"the kernel crashed when it enabled paging{at_rip(case)}: {verdict.message}."
                yield Defect("registers.cr4", f"{message} {sentence(verdict.hint)}")


@rule("PVH910", ERROR, when=ON_FAILURE)
def next_stage_was_not_reached(case: Case) -> Iterator[Defect]:
    """The guest did not reach the next stage before the timeout: it is slow, or in an endless loop, for example after a
    panic. Or it executed `hlt` while interrupts were disabled, so it never continues, and pvhdbg did not wait for the
    timeout. Guests halt like this when they find an error before they can report it.

    Disassemble its code with `code`, look at its console, or increase --timeout.
    """
    outcome = case.outcome
    if outcome and outcome.early_end == HALTED:
        yield _halted_early(case, outcome)
    elif outcome and outcome.ended == TIMED_OUT and not outcome.early_end:  # PVH912 or PVH917 reports that
        place = location_suffix(outcome.rip, outcome.symbol)
        where = f": the guest is{place}" if place else ""
        fix = "Look at the disassembly with `code`, or increase --timeout."
        message = f"stage {outcome.waited_for} was not reached in time{where}. {fix}"
        yield Defect("outcome.timeout", message)


def _halted_early(case: Case, outcome: Outcome) -> Defect:
    line = last_serial_line(case)
    printed = f'; the last line on its console is "{line}"' if line else ""
    message = (
        f"the guest halted{location_suffix(outcome.rip, outcome.symbol)}: it did not reach stage {outcome.waited_for}"
        f"{printed}. Look at its console, and at the code before that address."
    )
    return Defect("outcome.timeout", message)


@rule("PVH911", ERROR, when=ON_FAILURE, cause=True)
def cpu_has_no_long_mode(case: Case) -> Iterator[Defect]:
    """A 64-bit kernel sets EFER.LME in its PVH entry, but a CPU without long mode has no such bit. On real CPUs and
    under KVM the `wrmsr` causes a general protection fault. TCG leaves the bit clear: paging then starts in 32-bit
    mode, with page tables for 64-bit mode, and the next instruction causes a page fault. There is no IDT yet, so both
    faults are triple faults.

    Give the guest a 64-bit CPU: omit `--cpu`, or name a model with the feature `lm`. The 32-bit models are 486, pentium
    to pentium3, athlon, coreduo, n270, qemu32, kvm32 and base.

    Source: Intel SDM volume 4, IA32_EFER; QEMU target/i386/tcg/sysemu/misc_helper.c, helper_wrmsr; Linux
    arch/x86/platform/pvh/head.S.
    """
    why = missing_long_mode(case)
    if why:
        cpu = f"the CPU ({printable(case.machine.cpu)})" if case.machine.cpu else "the CPU"
        message = (
            f"{cpu} has no long mode, which a 64-bit kernel needs: {why}{at_rip(case)}. Use a CPU model with long mode."
        )
        yield Defect("machine.cpu", message)
