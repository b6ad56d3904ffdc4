"""The CPU's state: registers, named control bits, the CPU mode, and the state that the PVH ABI requires at the entry.

Sources: Intel SDM volume 3, chapter 2 (control registers, EFER) and 3.4.5 (segment descriptors); AMD APM volume 2,
3.1 (EFER); Linux arch/x86/include/uapi/asm/processor-flags.h for the names of the bits; Xen docs/misc/pvh.pandoc for
ENTRY_STATE.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi.layout import Bits, Name
from pvhdbg.named_tuple import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    Registers = Mapping[str, int | None]

CR0_PE, CR0_TS, CR0_PG = 1 << 0, 1 << 3, 1 << 31
CR4_PSE, CR4_PAE, CR4_MCE, CR4_LA57 = 1 << 4, 1 << 5, 1 << 6, 1 << 12
EFER_LME, EFER_LMA, EFER_SVME = 1 << 8, 1 << 10, 1 << 12
EFLAGS_VM = 1 << 17

CR0 = Bits(
    {
        CR0_PE: Name("PE", "protected mode"),
        1 << 1: Name("MP", "WAIT also traps if TS is set"),
        1 << 2: Name("EM", "no FPU: FPU instructions trap"),
        CR0_TS: Name("TS", "task switched: FPU instructions trap"),
        1 << 4: Name("ET", "always 1 on current CPUs"),
        1 << 5: Name("NE", "FPU errors raise exceptions"),
        1 << 16: Name("WP", "the kernel cannot write to read-only pages"),
        1 << 18: Name("AM", "EFLAGS.AC enables alignment checks"),
        1 << 29: Name("NW", "not write-through"),
        1 << 30: Name("CD", "caching is disabled"),
        CR0_PG: Name("PG", "paging"),
    }
)
CR4 = Bits(
    {
        1 << 0: Name("VME", "virtual-8086 extensions"),
        1 << 1: Name("PVI", "virtual interrupt flag in protected mode"),
        1 << 2: Name("TSD", "only the kernel can read the time stamp counter"),
        1 << 3: Name("DE", "debugging extensions: I/O breakpoints"),
        CR4_PSE: Name("PSE", "4 MiB pages in 32-bit paging"),
        CR4_PAE: Name("PAE", "64-bit page table entries"),
        CR4_MCE: Name("MCE", "machine check exceptions"),
        1 << 7: Name("PGE", "global pages"),
        1 << 8: Name("PCE", "user code can read performance counters"),
        1 << 9: Name("OSFXSR", "the kernel saves SSE state (FXSAVE)"),
        1 << 10: Name("OSXMMEXCPT", "SSE errors raise exceptions"),
        1 << 11: Name("UMIP", "user code cannot read the descriptor table registers"),
        CR4_LA57: Name("LA57", "5-level paging"),
        1 << 13: Name("VMXE", "Intel virtualization (VMX)"),
        1 << 14: Name("SMXE", "Intel safer mode (SMX)"),
        1 << 16: Name("FSGSBASE", "user code can set the FS and GS bases"),
        1 << 17: Name("PCIDE", "process-context identifiers in CR3"),
        1 << 18: Name("OSXSAVE", "the kernel saves extended state (XSAVE)"),
        1 << 19: Name("KL", "Key Locker"),
        1 << 20: Name("SMEP", "the kernel cannot execute user pages"),
        1 << 21: Name("SMAP", "the kernel cannot access user pages"),
        1 << 22: Name("PKE", "protection keys for user pages"),
        1 << 23: Name("CET", "control-flow enforcement"),
        1 << 24: Name("PKS", "protection keys for kernel pages"),
        1 << 25: Name("UINTR", "user interrupts"),
        1 << 27: Name("LASS", "user and kernel addresses are checked before paging"),
        1 << 28: Name("LAM_SUP", "upper bits of kernel addresses can hold metadata"),
        1 << 32: Name("FRED", "flexible return and event delivery"),
    }
)
EFER = Bits(
    {
        1 << 0: Name("SCE", "SYSCALL and SYSRET"),
        EFER_LME: Name("LME", "enabling paging enters long mode"),
        EFER_LMA: Name("LMA", "long mode is active"),
        1 << 11: Name("NX", "pages can be marked no-execute"),
        EFER_SVME: Name("SVME", "AMD virtualization (SVM)"),
        1 << 13: Name("LMSLE", "segment limits apply in long mode"),
        1 << 14: Name("FFXSR", "fast FXSAVE and FXRSTOR"),
        1 << 15: Name("TCE", "INVLPG keeps unrelated upper-level translations"),
        1 << 17: Name("MCOMMIT", "the MCOMMIT instruction"),
        1 << 18: Name("INTWB", "WBINVD can be interrupted"),
        1 << 20: Name("UAIE", "upper address bits are ignored"),
        1 << 21: Name("AUTOIBRS", "automatic indirect branch restriction"),
    }
)
EFLAGS = Bits(
    {
        1 << 0: Name("CF", "carry"),
        1 << 1: Name("FIXED", "always 1"),
        1 << 2: Name("PF", "parity"),
        1 << 4: Name("AF", "auxiliary carry"),
        1 << 6: Name("ZF", "zero"),
        1 << 7: Name("SF", "sign"),
        1 << 8: Name("TF", "trap after each instruction"),
        1 << 9: Name("IF", "interrupts are enabled"),
        1 << 10: Name("DF", "string instructions go toward lower addresses"),
        1 << 11: Name("OF", "overflow"),
        1 << 12: Name("IOPL.0", "I/O privilege level, low bit"),
        1 << 13: Name("IOPL.1", "I/O privilege level, high bit"),
        1 << 14: Name("NT", "nested task"),
        1 << 16: Name("RF", "the next instruction raises no debug fault"),
        EFLAGS_VM: Name("VM", "virtual-8086 mode"),
        1 << 18: Name("AC", "alignment check"),
        1 << 19: Name("VIF", "virtual interrupt flag"),
        1 << 20: Name("VIP", "virtual interrupt pending"),
        1 << 21: Name("ID", "CPUID is supported"),
    }
)

UD2, INT3, WRMSR = b"\x0f\x0b", b"\xcc", b"\x0f\x30"
"""Machine code: `ud2`, which BUG() executes; `int3`, a software breakpoint; `wrmsr`, a write to an MSR."""

MSR_EFER = 0xC0000080

NAMED_BITS = {"cr0": CR0, "cr4": CR4, "efer": EFER, "eflags": EFLAGS}
"""The registers whose bits have names."""

CODE_32, DATA_32, TSS_32_BUSY = 0x409A00, 0x409200, 0x8B00
SEGMENT_L, SEGMENT_D = 1 << 21, 1 << 22
"""The L and D/B bits in `cs.flags`, the second word of the segment descriptor, as QEMU's monitor prints it. Under TCG
the word includes bits 16 to 19 of the limit; under KVM these bits are 0. Mask the word before comparing it."""

_SEGMENT_P, _SEGMENT_S, _SEGMENT_CODE = 1 << 15, 1 << 12, 1 << 11
# fmt: off
_SYSTEM_SEGMENTS = {
    0x1: "16-bit TSS", 0x2: "LDT", 0x3: "16-bit TSS, busy", 0x4: "16-bit call gate", 0x5: "task gate",
    0x6: "16-bit interrupt gate", 0x7: "16-bit trap gate", 0x9: "TSS", 0xB: "TSS, busy", 0xC: "call gate",
    0xE: "interrupt gate", 0xF: "trap gate",
}
# fmt: on

_MODE = "rip rbx rsp cr0 cr3 cr4 efer eflags"
_SELECTORS = "cs ss ds es fs gs"
_OTHERS = "rax rcx rdx rsi rdi rbp r8 r9 r10 r11 r12 r13 r14 r15 cr2 cr8 fs_base gs_base k_gs_base"
SEGMENTS = (*_SELECTORS.split(), "ldt", "tr")

MONITOR_REGISTERS = (
    *(f"{segment}.{part}" for segment in SEGMENTS[:6] for part in ("base", "limit", "flags")),
    *(name for part in SEGMENTS[6:] for name in (part, f"{part}.base", f"{part}.limit", f"{part}.flags")),
    *("gdtr.base", "gdtr.limit", "idtr.base", "idtr.limit", "a20"),
)
"""The registers that only QEMU's monitor reports; a gdbstub does not."""

REGISTERS = (*f"{_MODE} {_SELECTORS} {_OTHERS}".split(), *MONITOR_REGISTERS)
"""Every register by its 64-bit name, in the order of the JSON: the registers that give RIP and the mode come first."""

CPU_MODES = {
    "real16": "real mode: 16-bit code, no protection, no paging",
    "protected16": "protected mode, 16-bit code",
    "protected32": "protected mode, 32-bit code, no paging: the mode of the PVH entry",
    "paged32": "protected mode, 32-bit code, two levels of page tables",
    "pae32": "protected mode, 32-bit code, three levels of page tables (PAE)",
    "compat32": "long mode, 32-bit code, four or five levels of page tables: no 64-bit registers",
    "long64": "long mode, 64-bit code, four or five levels of page tables",
    "unknown": "registers that determine the mode are missing",
}


def cpu_mode(registers: Registers) -> str:
    """Return the CPU mode, a key of CPU_MODES.

    Registers may be missing or None; the mode is `unknown` only if the known registers do not determine it.
    """
    rip, cr0 = registers.get("rip"), registers.get("cr0")
    if rip is not None and rip >> 32:
        return "long64"  # only 64-bit code has addresses above 4 GiB
    if cr0 is None:
        return "unknown"
    if not cr0 & CR0_PE:
        return "real16"
    return _paged_mode(registers) if cr0 & CR0_PG else _protected_mode(registers)


def _protected_mode(registers: Registers) -> str:
    flags, rip = registers.get("cs.flags"), registers.get("rip")
    if flags is not None:
        return "protected32" if flags & SEGMENT_D else "protected16"
    # 16-bit code cannot jump above 64 KiB, so this is 32-bit code.
    return "protected32" if rip is not None and rip > 0xFFFF else "unknown"


def _paged_mode(registers: Registers) -> str:
    efer, cr4, flags = registers.get("efer"), registers.get("cr4"), registers.get("cs.flags")
    if cr4 is not None and not cr4 & CR4_PAE:
        return _paged_code("paged32", flags)  # long mode requires PAE
    if efer is None:
        return "unknown"
    if efer & EFER_LMA:
        return _long_mode(flags)
    return "unknown" if cr4 is None else _paged_code("pae32", flags)


def _paged_code(mode: str, flags: int | None) -> str:
    return mode if flags is None or flags & SEGMENT_D else "protected16"


def _long_mode(flags: int | None) -> str:
    if flags is None:
        return "unknown"
    if flags & SEGMENT_L:
        return "long64"
    return "compat32" if flags & SEGMENT_D else "unknown"  # CPU_MODES has no name for 16-bit code in long mode


def segment_kind(flags: int) -> str:
    """Describe the segment that a segment register holds, from its flags (such as `cs.flags`)."""
    if not flags & _SEGMENT_P:
        return "not present"
    if not flags & _SEGMENT_S:
        return _SYSTEM_SEGMENTS.get(flags >> 8 & 0xF, "system segment")
    if flags & _SEGMENT_CODE and flags & SEGMENT_L:
        return "64-bit code"
    return f"{32 if flags & SEGMENT_D else 16}-bit {'code' if flags & _SEGMENT_CODE else 'data'}"


class Requirement(NamedTuple):
    """What the ABI requires of one register at the entry: `value & mask == expected`.

    `added_later` is true if older versions of the ABI document do not require it.
    """

    register: str
    mask: int
    expected: int
    meaning: str
    why: str
    added_later: bool = False

    def is_met_by(self, value: int) -> bool:
        return value & self.mask == self.expected


ENTRY_STATE_SOURCE = "Xen docs/misc/pvh.pandoc"
_ALL = (1 << 64) - 1
_4G = 0xFFFFFFFF
_CODE_MASK, _DATA_MASK, _TSS_MASK = 0x409A00, 0x409E00, 0x9F00
_CR0_WRITABLE = 0xE005002F


def _flat_data(segment: str, *, added_later: bool = False) -> tuple[Requirement, ...]:
    why = f"the kernel accesses start_info and its own data through {segment.upper()} before it loads its own GDT"
    return (
        Requirement(f"{segment}.base", _ALL, 0, "base 0", why, added_later),
        Requirement(f"{segment}.limit", _4G, _4G, "limit 0xffffffff", why, added_later),
        Requirement(f"{segment}.flags", _DATA_MASK, DATA_32, "32-bit data, readable and writable", why, added_later),
    )


ENTRY_STATE = (
    Requirement("cr0", _CR0_WRITABLE, CR0_PE, "PE set, all other writable bits clear", "the entry runs without paging"),
    Requirement(
        "cr4", _ALL, 0, "all bits clear", "the kernel sets PAE and other bits itself when its page tables are ready"
    ),
    Requirement(
        "eflags", EFLAGS_VM | 1 << 9 | 1 << 8, 0, "VM, IF and TF clear", "without an IDT a trap is a triple fault"
    ),
    Requirement("cs.base", _ALL, 0, "base 0", "the entry is a physical address"),
    Requirement("cs.limit", _4G, _4G, "limit 0xffffffff", "the kernel may be anywhere below 4 GiB"),
    Requirement("cs.flags", _CODE_MASK, CODE_32, "32-bit code, readable", "the entry is 32-bit code"),
    *_flat_data("ds"),
    *_flat_data("es"),
    *_flat_data("ss", added_later=True),
    Requirement("tr.base", _ALL, 0, "base 0", "a valid CPU state includes a loaded TSS"),
    Requirement("tr.limit", _4G, 0x67, "limit 0x67", "0x67 is the offset of the last byte of a 32-bit TSS"),
    Requirement("tr.flags", _TSS_MASK, TSS_32_BUSY, "32-bit TSS, busy", "a valid CPU state includes a loaded TSS"),
)
"""In addition, RBX holds the address of start_info, and RIP holds the address in the note PHYS32_ENTRY. Everything else
is unspecified."""
