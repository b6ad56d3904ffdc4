"""PVH900 to PVH911: how the run ended, and why, asked where it died or did not come to the next stage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi.cpu import CR0_PG, CR4_PAE, EFER_LME, INT3, MSR_EFER, UD2, WRMSR
from pvhdbg.abi.e820 import blob_size
from pvhdbg.abi.start_info import MAGIC, MemmapTableEntry, ModlistEntry
from pvhdbg.abi.text import printable
from pvhdbg.boot.model.predicted import OVERRUN, PAGE_FAULT
from pvhdbg.boot.record.document import TIMED_OUT
from pvhdbg.boot.stop.address import location_suffix
from pvhdbg.boot.stop.early_maps import DIRECT_MAP_32, EarlyMaps
from pvhdbg.checks.finding import ERROR, WARNING
from pvhdbg.checks.outcome.end import code, code_place, died, failed_condition, given_place, reached, where
from pvhdbg.checks.rules import LAST, Found, rule
from pvhdbg.image.facts import EM_X86_64
from pvhdbg.image.verdict import FATAL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pvhdbg.checks.case import Case

_PAGE = 4096
_STACK_USED = 4096
_REACHED_BEFORE = (None, "entry", "prepare")
_CURES = {
    "start_info.magic": "EBX must lead to a struct hvm_start_info that nothing has overwritten",
    "start_info.version": "hand over version 1 with memmap_paddr and memmap_entries",
    "start_info.memmap_entries": "hand over a table at memmap_paddr and the number of its entries",
}


@rule("PVH900", ERROR, when=LAST)
def the_guest_died(case: Case) -> Iterator[Found]:
    """A triple fault, an error inside KVM, or the end of QEMU: the machine does not come back. What is known of why
    stands before this.

    Before the console there is no word from the kernel. RIP still points at the instruction that did it (`code @died`),
    CR2 at the address of a page fault.
    """
    death = died(case)
    if death is None:
        return
    told = death.describe(where(case))
    if death.is_triple_fault and code(case) == UD2:
        told = f"triple fault{where(case)}, on the ud2 of a BUG"
    yield Found("registers.rip", told, code_place(case))


@rule("PVH901", ERROR, when=LAST, cause=True)
def the_kernel_ended_in_a_bug(case: Case) -> Iterator[Found]:
    """xen_prepare_pvh ends in a BUG, which is the instruction `ud2`, if start_info's magic is wrong, or if the
    structure has no memory map and the kernel sees no Xen to ask for one. There is no IDT, so that is a triple fault;
    and the words that go with it are for Xen's console, so that KVM and TCG hear nothing.

    The finding names the condition that failed. `--set` and `--protocol` try other values on the same kernel.

    Source: Linux arch/x86/platform/pvh/enlighten.c.
    """
    if died(case) is None or code(case) != UD2 or reached(case) not in _REACHED_BEFORE:
        return
    field, why = failed_condition(case)
    cure = _CURES.get(field)
    yield Found(field, f"BUG (ud2{where(case)}): {why}{f'; {cure}' if cure else ''}", given_place(case, field))


@rule("PVH902", ERROR, when=LAST, cause=True)
def a_page_fault_before_there_is_an_idt(case: Case) -> Iterator[Found]:
    """The first page tables show 1 GiB of physical memory, those of a 32-bit kernel not much more than the kernel. What
    is handed over and lies beyond can't be read, and there is no IDT: the page fault is a triple fault, with the
    address in CR2. Linux reads physical memory through its direct map, 64-bit kernels at 0xffff888000000000, 32-bit
    ones at 0xc0000000.

    Put memory map and module list below 1 GiB, for 32-bit kernels below the kernel.

    Source: Linux arch/x86/platform/pvh/head.S, arch/x86/kernel/head_64.S and head_32.S.
    """
    cr2, cr0 = (case.seen.registers.get(name) or 0 for name in ("cr2", "cr0"))
    if died(case) is None or not cr2 or not cr0 & CR0_PG or code(case) == UD2:
        return
    if reached(case) not in _REACHED_BEFORE or _without_long_mode(case):
        return
    fault, paddrs = f"page fault (cr2 {cr2:#x}{where(case)})", _behind(case, cr2)
    for name, field, start, end in _read_early(case):
        if any(start - _PAGE < paddr < end + _PAGE for paddr in paddrs):
            what = f"{name} leads to {start:#x}-{end:#x}, and the early page tables {_early(case)}"
            yield Found(field, f"{fault}: {what}", given_place(case, field))
            return
    death = case.expected.death if case.expected else None
    if death and death.kind == PAGE_FAULT:
        yield Found(death.field, f"{fault}: {death.why}", given_place(case, death.field))
    else:
        yield Found("registers.cr2", f"{fault}: the early page tables do not map that")


def _early(case: Case) -> str:
    maps = case.rules.early
    return f"map what is below {maps.limit:#x} alone" if maps else "of a 32-bit kernel do not map that"


def _behind(case: Case, cr2: int) -> list[int]:
    """The physical addresses that were meant, by each map that the kernel has so early."""
    maps = case.rules.early or EarlyMaps(direct_map=DIRECT_MAP_32)
    meant = maps.direct_map_paddr(cr2)
    return [cr2] if meant is None else [cr2, meant]


def _read_early(case: Case) -> Iterator[tuple[str, str, int, int]]:
    """Name, field and place of each thing that xen_prepare_pvh reads."""
    given = case.given
    info = given.effective_start_info if given else None
    if given is None or info is None:
        return
    size = info.memmap_entries * MemmapTableEntry.SIZE if info.version else 0
    if size:
        yield "memmap_paddr", "start_info.memmap_paddr", info.memmap_paddr, info.memmap_paddr + size
    size = info.nr_modules * ModlistEntry.SIZE
    if size:
        yield "modlist_paddr", "start_info.modlist_paddr", info.modlist_paddr, info.modlist_paddr + size
    if given.modules and len(given.modules) > 1:
        entry, found = given.modules[1].entry, given.memory_map
        yield "cmdline_paddr of module 1", "modules[1].cmdline_paddr", entry.cmdline_paddr, entry.cmdline_paddr + 1
        count = found.nr_entries if found and found.is_module else 0
        yield "paddr of module 1", "modules[1].paddr", entry.paddr, entry.paddr + blob_size(count)


@rule("PVH903", ERROR, when=LAST, cause=True)
def a_kernel_of_the_rfc_wants_kvm(case: Case) -> Iterator[Found]:
    """The RFC's kernel, as it was posted, looks for KVM's CPUID leaf and ends in a BUG without it: under TCG there is
    none. Later kernels dropped the test.

    Run it under KVM (`--accel kvm`).

    Source: the RFC of 2017, arch/x86/xen/enlighten_pvh.c.
    """
    given = case.given
    info = given.effective_start_info if given else None
    if died(case) is None or code(case) != UD2 or reached(case) not in _REACHED_BEFORE or info is None:
        return
    if case.rules.e820_module and case.rules.memmap is False and case.machine.accel == "tcg" and info.magic == MAGIC:
        yield Found("machine.accel", f"accel is tcg: the RFC's kernel demands KVM's CPUID leaf{where(case)}")


@rule("PVH904", ERROR, when=LAST, cause=True)
def the_map_ran_over_the_kernel(case: Case) -> Iterator[Found]:
    """The map has more entries than struct boot_params has room for, and the kernel wrote them over what lies behind
    it: its stack, or the canary that guards it. It dies on the way back, or stands in a panic that nobody sees.

    Hand over 126 entries or fewer.

    Source: Linux arch/x86/platform/pvh/enlighten.c, init_pvh_bootparams.
    """
    death = case.expected.death if case.expected else None
    if death and death.kind == OVERRUN and reached(case) in _REACHED_BEFORE:
        yield Found(death.field, f"{death.field.rpartition('.')[2]}: {death.why}", given_place(case, death.field))


@rule("PVH905", ERROR, when=LAST, cause=True)
def kvm_could_not_go_on(case: Case) -> Iterator[Found]:
    """KVM gave up on an instruction. Where that is an `int3`, it is a software breakpoint in KVM's way: set before the
    guest wrote or mapped the code, or in code that KVM emulates. Otherwise KVM emulates the code and does not know it.

    Use hardware breakpoints (`hbreak`; KVM has four), or `--accel tcg`, whose breakpoints know no limit.

    Source: Linux arch/x86/kvm/x86.c, handle_emulation_failure.
    """
    death = died(case)
    if death is None or death.how != "kvm-internal-error":
        return
    paddr = code_place(case)
    before = None if paddr is None else case.seen.bytes_at(paddr - 1, 1)
    if INT3 in (code(case)[:1], before):
        yield Found("registers.rip", f"a software breakpoint (int3){where(case)} is in KVM's way", paddr)
    else:
        yield Found("registers.rip", f"KVM can't run the instruction{where(case)}: --accel tcg can", paddr)


@rule("PVH906", ERROR, when=LAST, cause=True)
def qemu_ended(case: Case) -> Iterator[Found]:
    """QEMU itself is gone: it refused something while the guest ran, was killed, or crashed. A p_align of 0 in a
    PT_NOTE segment makes it die of SIGFPE.

    What it said last is in the message.
    """
    death = died(case)
    if death and death.how in ("qemu-exit", "qemu-signal"):
        how = "was ended by a signal" if death.how == "qemu-signal" else "ended"
        yield Found("machine.qemu", f"QEMU {how}: {printable(death.message) or 'without a word'}")


@rule("PVH907", ERROR, when=LAST, cause=True)
def the_guest_never_came_to_its_entry(case: Case) -> Iterator[Found]:
    """QEMU started, and the address in the note was never reached: it started the file by another protocol, read
    another note than the one that is meant, or loaded nothing there.

    `pvhdbg inspect KERNEL` shows each loader's view of the file.

    Source: QEMU hw/i386/x86.c.
    """
    if reached(case) is not None or case.image is None:
        return
    worst = sorted(case.verdicts, key=lambda each: each.severity != FATAL)
    why = worst[0].message if worst else "firmware or QEMU's arguments started something else"
    entry = "of which there is none" if case.image.entry is None else f"{case.image.entry:#x}"
    yield Found("kernel.entry", f"the guest never came to its PVH entry, {entry}: {why}")


@rule("PVH908", WARNING, when=LAST)
def the_stack_was_never_set(case: Case) -> Iterator[Found]:
    """The ABI leaves ESP open, and VMMs leave different things there: QEMU its firmware's stack, Cloud Hypervisor and
    Firecracker 0. A guest that pushes before it sets ESP works on one and dies on the other.

    Set ESP in the entry's first instructions.

    Source: Xen docs/misc/pvh.pandoc; nanos pull request 1855.
    """
    entry = case.at_stage("entry")
    before, now = (each.registers.get("rsp") if each else None for each in (entry, case.seen))
    if died(case) is None or reached(case) != "entry" or before is None or now is None:
        return
    if abs(now - before) < _STACK_USED:
        message = f"rsp is {now:#x}, still about where the entry found it ({before:#x}): was a stack ever set up?"
        yield Found("registers.rsp", message)


@rule("PVH909", ERROR, when=LAST, cause=True)
def the_kernel_has_no_pae(case: Case) -> Iterator[Found]:
    """The kernel died when it switched paging on: it was built without PAE, and its PVH entry sets CR4.PAE.

    Build it with CONFIG_X86_PAE=y, or take one with commit db9aded979b4.

    Source: Linux commit db9aded979b4.
    """
    if died(case) and reached(case) == "entry":
        for each in case.verdicts:
            if each.slug == "without-pae":
                yield Found("registers.cr4", f"{each.message}{where(case)}")


@rule("PVH910", ERROR, when=LAST)
def the_next_stage_did_not_come(case: Case) -> Iterator[Found]:
    """The guest runs, but not to the stage that should be next: it waits in a loop, as after a panic, or is slow.

    Look where it is (`code`), at its console, and give it more time (`--timeout`).
    """
    outcome = case.outcome
    if outcome and outcome.ended == TIMED_OUT:
        place = location_suffix(outcome.rip, outcome.symbol)
        yield Found("outcome.timeout", f"stage {outcome.waited_for} did not come in time; the guest is{place}")


@rule("PVH911", ERROR, when=LAST, cause=True)
def the_cpu_has_no_long_mode(case: Case) -> Iterator[Found]:
    """A 64-bit kernel sets EFER.LME in its PVH entry, and a CPU without long mode has no such bit: by the rules, and
    under KVM, the `wrmsr` is a general protection fault; TCG leaves the bit clear, so that paging comes on in 32-bit
    mode, finds nothing in tables that were made for 64-bit mode, and faults at the next instruction. There is no IDT:
    either is a triple fault.

    Give the guest a 64-bit CPU: leave `--cpu` out, or name one with `lm`. The 32-bit ones are 486, pentium to pentium3,
    athlon, coreduo, n270, qemu32, kvm32 and base.

    Source: Intel SDM volume 4, IA32_EFER; QEMU target/i386/tcg/sysemu/misc_helper.c, helper_wrmsr; Linux
    arch/x86/platform/pvh/head.S.
    """
    why = _without_long_mode(case)
    if why:
        cpu = f"the CPU ({printable(case.machine.cpu)})" if case.machine.cpu else "the CPU"
        yield Found("machine.cpu", f"{cpu} has no long mode, which a 64-bit kernel needs: {why}{where(case)}")


def _without_long_mode(case: Case) -> str | None:
    """What the registers show of that, if the guest died on its way to long mode."""
    registers = case.seen.registers
    cr0, cr4, efer, rcx, rax = (registers.get(name) or 0 for name in ("cr0", "cr4", "efer", "rcx", "rax"))
    if died(case) is None or reached(case) != "entry" or efer & EFER_LME:
        return None
    if code(case) == WRMSR and rcx == MSR_EFER and rax & EFER_LME:
        return "the wrmsr that sets EFER.LME was refused"
    is_64 = case.image is not None and case.image.machine == EM_X86_64
    if is_64 and cr0 & CR0_PG and cr4 & CR4_PAE:
        return "paging is on, and EFER.LME is still clear"
    return None
