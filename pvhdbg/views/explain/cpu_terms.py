"""The part of the glossary about the CPU: faults, descriptor tables, modes, paging."""

from __future__ import annotations

from pvhdbg.views.explain.topic import Term

_ABI = "Xen docs/misc/pvh.pandoc"
_SDM = "Intel SDM volume 3"

CPU_TERMS = (
    Term(
        "triple fault",
        "three nested faults, each raised while the CPU handles the previous fault: the CPU gives up",
        "Without an IDT, every fault becomes a triple fault, and nothing is printed. A PC then resets. pvhdbg makes "
        "QEMU stop instead, with RIP at the instruction that caused the fault.",
        f"{_SDM}, double fault exception",
    ),
    Term(
        "page fault",
        "the fault raised when code accesses an address that is not mapped, or not with the needed permission",
        "CR2 holds the address.",
        f"{_SDM}, page-fault exception",
    ),
    Term(
        "IDT",
        "interrupt descriptor table: the addresses of the handlers for faults and interrupts",
        "The register IDTR holds its address. At the PVH entry there is no IDT; Linux loads one between the stages "
        "bootparams and kernel.",
        f"{_SDM}, interrupt and exception handling",
    ),
    Term(
        "GDT",
        "global descriptor table: base, limit and kind of each segment",
        "The register GDTR holds its address. CS, DS and the other segment registers hold offsets into it. The VMM "
        "can put its GDT anywhere, so Linux first loads its own GDT.",
        f"{_SDM}, 3.4",
    ),
    Term(
        "segment descriptor, descriptor",
        "an entry of the GDT: 8 bytes with base, limit, kind and rights of a segment",
        "A segment register holds a selector, the offset of the descriptor in the table, and a hidden copy of the "
        "descriptor's fields, which the CPU uses. The copy is made when the register is loaded, so it stays as it was "
        "after LGDT. L and D/B choose 64-bit, 32-bit or 16-bit code; G makes the limit count 4 KiB; DPL is the "
        "privilege level, 0 for the kernel. In long mode, TSS and LDT descriptors have 16 bytes.",
        f"{_SDM}, 3.4.5",
    ),
    Term(
        "flat, flat segment",
        "a segment with base 0 and limit 0xffffffff: it covers all addresses, and does not change them",
        "The ABI requires flat segments for CS, DS and ES at the PVH entry.",
        f"{_SDM}, basic flat model; {_ABI}",
    ),
    Term(
        "far jump",
        "a jump that loads CS too, and so can change the mode of the CPU",
        "A new GDT has no effect on code until CS is loaded from it, and only a jump, a call or a return of the far "
        "kind loads CS. After paging is on and EFER.LME is set, a far jump to a segment with the bit L makes the CPU "
        "execute 64-bit code. gdb shows it as `ljmp`.",
        f"{_SDM}, mode switching",
    ),
    Term(
        "stack",
        "memory for the return addresses and variables of functions, which grows down from the address in RSP",
        "`push` and `call` write below RSP, `pop` and `ret` read there. The ABI does not define ESP at the PVH entry, "
        "so a kernel must set it before it uses a stack (PVH930, PVH937).",
        f"{_SDM}, stacks; {_ABI}",
    ),
    Term(
        "TSS",
        "task state segment: holds the address of the kernel's stack, which the CPU loads when it interrupts a program",
        "The register TR selects it. The ABI requires a TSS at the PVH entry. QEMU leaves TR as it is after a reset, "
        "and no guest is known to depend on it (PVH126).",
        f"{_SDM}, task management; {_ABI}",
    ),
    Term(
        "real mode",
        "the 16-bit mode in which every x86 CPU starts",
        "It has no protection and no paging; an address is a segment times 16 plus an offset. Firmware leaves real "
        "mode before the PVH entry.",
        f"{_SDM}, real-address mode",
    ),
    Term(
        "protected mode",
        "the CPU mode of the PVH entry, in which a segment has a base, a limit and access rights",
        "CR0.PE is set. The ABI requires base 0 and limit 0xffffffff, so that segments do not change addresses.",
        f"{_SDM}, chapter 3",
    ),
    Term(
        "long mode, 64-bit mode, 64-bit",
        "the CPU's 64-bit mode",
        "A 64-bit kernel enters it between the stages entry and prepare. It sets CR4.PAE, EFER.LME, CR3 and CR0.PG, "
        "in this order, and jumps to a 64-bit code segment.",
        f"{_SDM}, IA-32e mode; Linux arch/x86/platform/pvh/head.S",
    ),
    Term(
        "paging, page tables",
        "how the CPU translates virtual addresses to physical addresses",
        "CR3 holds the address of the page tables, and CR0.PG enables paging. An access to a page that the tables do "
        "not map causes a page fault.",
        f"{_SDM}, chapter 4",
    ),
    Term(
        "PML4, PDPT, PD, PT, page-table level",
        "the levels of the page tables in long mode, from the one at CR3 to the one that maps single pages",
        "A PML4 (page-map level 4), a PDPT (page-directory-pointer table), a PD (page directory) and a PT (page table) "
        "have 512 entries of 8 bytes each. 9 bits of the virtual address choose the entry at each level: bits 47 to 39 "
        "in the PML4, then 38 to 30, 29 to 21, and 20 to 12. An entry leads to the next level. With the bit PS, an "
        "entry of a PD maps 2 MiB itself, and an entry of a PDPT 1 GiB.",
        f"{_SDM}, 4-level paging",
    ),
    Term(
        "physical address, virtual address, virtual",
        "an address in the machine's memory; with paging, programs use virtual addresses instead",
        "All addresses that PVH passes are physical. Without paging every address is physical. With paging the CPU "
        "translates each virtual address to a physical address through page tables.",
    ),
    Term(
        "identity map",
        "page tables that map memory at its physical addresses",
        "Code that enables paging must run in it, so that the next instruction is still at the same address.",
    ),
    Term(
        "direct map",
        "page tables that map every physical address at the same offset",
        "In 64-bit Linux it starts at 0xffff888000000000, in 32-bit Linux at 0xc0000000. At the stage prepare the "
        "direct map of a 64-bit kernel ends at 1 GiB: the kernel cannot read anything above that yet.",
        "Linux arch/x86/platform/pvh/head.S and arch/x86/kernel/head_64.S",
    ),
    Term(
        "kernel map",
        "page tables that map the kernel at its link addresses, which the linker assigned",
        "It translates 0xffffffff80000000 and up, where 64-bit Linux is linked, to physical address 0 and up.",
        "Linux arch/x86/kernel/head_64.S",
    ),
    Term(
        "CPUID leaf",
        "what the instruction CPUID returns for one input number",
        "For 0x40000000, or a slightly higher number, a VMM returns its signature: XenVMMXenVMM, KVMKVMKVM or "
        "TCGTCGTCGTCG. The kernel uses the signature to detect Xen.",
        "Linux arch/x86/include/asm/processor.h, hypervisor_cpuid_base",
    ),
)  # fmt: skip
