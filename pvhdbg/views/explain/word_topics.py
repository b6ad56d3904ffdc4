"""The words that all other explanations use, explained themselves."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from pvhdbg.views.explain.topics import Explanation, Topic

if TYPE_CHECKING:
    from collections.abc import Iterator

WORDS = "words"


class _Word(NamedTuple):
    """`names`: the word, then others for the same thing, each after a comma."""

    names: str
    meaning: str
    more: str
    source: str = ""


_ABI = "Xen docs/misc/pvh.pandoc"
_BOOT = "Linux Documentation/arch/x86/boot.rst"
_SDM = "Intel SDM volume 3"
_PREPARE = "Linux arch/x86/platform/pvh/enlighten.c"

_WORDS = (
    _Word(
        "PVH",
        "a way to start a kernel in a virtual machine, without a boot loader",
        "The VMM loads an uncompressed kernel and jumps to the address in its ELF note PHYS32_ENTRY: 32-bit code, "
        "paging off, EBX pointing to struct hvm_start_info. Xen made it; Linux knows it without Xen from 5.0 on, QEMU "
        "starts it from 4.0 on. `explain entry` and the stages after it tell the way.",
        _ABI,
    ),
    _Word(
        "VMM, virtual machine monitor, hypervisor",
        "the program that makes a virtual machine and runs the guest in it",
        "QEMU, Cloud Hypervisor, Firecracker, or Xen with its toolstack. It, or the firmware that it brings, lays "
        "start_info into the guest's memory.",
    ),
    _Word("guest", "what runs in the virtual machine", "Here nearly always the kernel that is being started."),
    _Word(
        "ABI",
        "application binary interface: what both sides of an entry must keep to",
        "Here that of PVH: the note, the CPU's state at the entry, and the structures in memory.",
        f"{_ABI}; Xen xen/include/public/arch-x86/hvm/start_info.h",
    ),
    _Word(
        "RFC, the RFC of 2017",
        "request for comments: the first proposal to start Linux by PVH on KVM, November 2017",
        'Its memory map is the second module, whose command line is "e820 data". It never was part of Linux: version 1 '
        "of start_info has a memory map of its own instead. `--protocol e820-module` hands the map over the RFC's way.",
        "the RFC of 2017, arch/x86/xen/enlighten_pvh.c",
    ),
    _Word(
        "firmware, BIOS",
        "what a machine runs before anything is loaded",
        "For a PVH boot QEMU's firmware builds start_info and jumps to the entry: qboot, or SeaBIOS with the option "
        "ROM pvh.bin. Other VMMs write start_info themselves and have none.",
        "QEMU pc-bios/optionrom/pvh_main.c; qboot main.c",
    ),
    _Word(
        "SeaBIOS, option ROM",
        "QEMU's usual BIOS; an option ROM is a program that it runs before it looks for something to boot",
        "pvh.bin is such an option ROM, and starts kernels by PVH.",
    ),
    _Word(
        "qboot",
        "a small firmware for QEMU's microvm",
        "It lays start_info below 1 MiB, and the module list on its own stack, which the map calls free. It may add an "
        "empty entry at the map's end (PVH201).",
        "qboot main.c",
    ),
    _Word(
        "pvh.bin",
        "QEMU's option ROM that starts a kernel by PVH, on pc and q35",
        "SeaBIOS runs it. It asks SeaBIOS for the memory map (int 0x15, AX=0xe820), looks for ACPI's root pointer, and "
        "lays everything into the lowest memory.",
        "QEMU pc-bios/optionrom/pvh_main.c",
    ),
    _Word(
        "microvm",
        "QEMU's machine with as little of a PC as Linux needs",
        "pvhdbg's default; `-M q35` and `-M pc` are whole PCs.",
        "QEMU docs/system/i386/microvm.rst",
    ),
    _Word(
        "TCG",
        "QEMU's CPU in software: it translates the guest's instructions",
        "pvhdbg's default (`--accel tcg`). Any number of breakpoints, and any CPU model on any host.",
    ),
    _Word(
        "KVM",
        "Linux's hypervisor: the guest's instructions run on the real CPU",
        "`--accel kvm`. It has four hardware breakpoints.",
    ),
    _Word(
        "ELF note",
        "a small record in an ELF file: owner, type, bytes",
        "Loaders find notes by the program headers of type PT_NOTE. That of owner Xen and type 18, PHYS32_ENTRY, says "
        "where PVH enters the kernel. `pvhdbg inspect` lists them all.",
        "System V gABI, note section",
    ),
    _Word(
        "segment, PT_LOAD",
        "two things: a part of an ELF file that is loaded in one piece, and what CS, DS and the like stand for",
        "An ELF file's program headers of type PT_LOAD say which bytes go to which physical address (p_paddr), and at "
        "which virtual address they are linked (p_vaddr). A CPU's segment is an entry of the GDT: a base, a limit, and "
        "whether it is code or data.",
        f"System V gABI, program headers; {_SDM}, chapter 3",
    ),
    _Word(
        "build-id",
        "a number in an ELF note that is another for each build",
        "By it pvhdbg knows whether a file with symbols belongs to the kernel that runs.",
    ),
    _Word(
        "linux-loader",
        "the Rust library by which Cloud Hypervisor and Firecracker load kernels",
        "It takes a note only of owner Xen, in a 64-bit file.",
        "rust-vmm linux-loader src/loader/elf/mod.rs",
    ),
    _Word(
        "vmlinux",
        "the Linux kernel as the linker made it: an ELF file, not compressed",
        "What PVH starts. One with debug information also gives gdb names, types and source lines.",
    ),
    _Word(
        "bzImage, vmlinuz",
        "the file that boot loaders start: real-mode code, a decompressor, and the vmlinux compressed",
        "It is started by Linux's boot protocol and not by PVH: pvhdbg unpacks the vmlinux inside and starts that.",
        _BOOT,
    ),
    _Word(
        "boot protocol, Linux's boot protocol",
        "how a boot loader starts a bzImage",
        "The loader reads setup_header in the file, fills in struct boot_params, and jumps to the kernel. A PVH boot "
        "joins that way at startup_64, with a boot_params of the kernel's own making. Its versions, as 2.12, tell "
        "which fields there are.",
        _BOOT,
    ),
    _Word(
        "real-mode code",
        "the first part of a bzImage: 16-bit code that asks the BIOS and fills in boot_params",
        "A PVH boot has none, so what only a BIOS tells stays 0.",
        "Linux arch/x86/boot/main.c",
    ),
    _Word(
        "decompressor",
        "the part of a bzImage that unpacks the vmlinux, and moves it where KASLR wants it",
        "A PVH boot goes round it.",
        "Linux arch/x86/boot/compressed/misc.c",
    ),
    _Word(
        "KASLR",
        "kernel address space layout randomization: each boot has other kernel addresses",
        "The decompressor chooses them. A PVH boot has no decompressor, so the addresses of the file hold.",
        "Linux arch/x86/boot/compressed/kaslr.c",
    ),
    _Word(
        "EFI stub",
        "the part of a bzImage that makes it a program for EFI firmware",
        "It fills in boot_params from what EFI tells. A PVH boot goes round it.",
    ),
    _Word("kexec", "Linux starting another kernel, without firmware in between", "It then is the boot loader."),
    _Word(
        "multiboot",
        "another protocol between boot loader and kernel",
        "QEMU looks for its header before it looks for a PVH note, so a file with both is not started by PVH (PVH502).",
        "QEMU hw/i386/x86.c and multiboot.c",
    ),
    _Word(
        "module",
        "a file that the VMM loads into memory beside the kernel",
        "Struct hvm_modlist_entry says where it lies. To Linux the first one is the ramdisk.",
        "Xen xen/include/public/arch-x86/hvm/start_info.h",
    ),
    _Word(
        "ramdisk, initrd, initramfs",
        "a file system in memory, from which Linux runs its first programs",
        "`-i FILE`. PVH hands it over as module 0; Linux keeps its place in hdr.ramdisk_image and hdr.ramdisk_size.",
    ),
    _Word(
        "e820",
        "a memory map as PCs have it: ranges of physical addresses, each with a type",
        "Named after the BIOS call that tells it, int 0x15 with AX=0xe820. Linux calls its maps so whoever made them. "
        "The types: `explain RAM`, RESERVED, ACPI, NVS, …",
        "ACPI 6.5, 15.1 and table 15.4",
    ),
    _Word(
        "zero page",
        "another name of struct boot_params",
        "The page of 4096 bytes that every x86 Linux is started with.",
        "Linux Documentation/arch/x86/zero-page.rst",
    ),
    _Word(
        "ISA range",
        "0xa0000 to 0xfffff: a PC's video memory and ROMs",
        "xen_prepare_pvh adds it to the map as reserved, whatever the map says of it.",
        _PREPARE,
    ),
    _Word(
        "RSDP, ACPI root pointer",
        "root system description pointer: where ACPI's tables begin",
        'It begins with "RSD PTR ". Without ACPI Linux finds neither other CPUs nor most interrupts.',
        "ACPI 6.5, 5.2.5",
    ),
    _Word(
        "BUG, BUG(), ud2",
        "where Linux ends rather than go on: the instruction `ud2`",
        "`ud2` is an undefined instruction: a fault, which an IDT would lead to a message. At the PVH entry there is "
        "no IDT, so it is a triple fault.",
        "Linux arch/x86/include/asm/bug.h",
    ),
    _Word(
        "triple fault",
        "a fault, another one in handling it, and a third in handling that: the CPU gives up",
        "Without an IDT every fault ends so, without a word. A PC resets; pvhdbg's QEMU stops, with RIP at the "
        "instruction that did it.",
        f"{_SDM}, double fault exception",
    ),
    _Word(
        "IDT",
        "interrupt descriptor table: where the CPU goes on at a fault or an interrupt",
        "The register IDTR says where it lies. At the PVH entry there is none; Linux loads one between the stages "
        "bootparams and kernel.",
        f"{_SDM}, interrupt and exception handling",
    ),
    _Word(
        "GDT",
        "global descriptor table: base, limit and kind of each segment",
        "The register GDTR says where it lies; what is loaded into CS or DS is an offset into it. The VMM's may lie "
        "anywhere, so Linux loads one of its own first of all.",
        f"{_SDM}, 3.4",
    ),
    _Word(
        "TSS",
        "task state segment: where the CPU finds the kernel's stack when a program is interrupted",
        "The register TR says where it lies. The ABI wants one at the PVH entry, QEMU leaves another, and no guest is "
        "known to care (PVH126).",
        f"{_SDM}, task management; {_ABI}",
    ),
    _Word(
        "BSS, .bss",
        "a program's variables that begin as 0: memory, but no bytes of the file",
        "A segment is longer in memory than in the file by it. The loader or the kernel clears it.",
        "System V gABI, p_filesz and p_memsz",
    ),
    _Word(
        "real mode",
        "the 16-bit mode in which every x86 CPU wakes up",
        "No protection, no paging; an address is a segment times 16 plus an offset. Firmware leaves it before the PVH "
        "entry.",
        f"{_SDM}, real-address mode",
    ),
    _Word(
        "protected mode",
        "the mode of the PVH entry: segments have a base, a limit and rights",
        "CR0.PE is set. With base 0 and limit 0xffffffff, as the ABI wants them, segments are out of the way.",
        f"{_SDM}, chapter 3",
    ),
    _Word(
        "long mode",
        "the 64-bit mode",
        "A 64-bit kernel enters it between the stages entry and prepare: CR4.PAE, EFER.LME, CR3 and CR0.PG, in this "
        "order, then a jump to a 64-bit code segment.",
        f"{_SDM}, IA-32e mode; Linux arch/x86/platform/pvh/head.S",
    ),
    _Word(
        "paging, page tables",
        "how the CPU makes physical addresses of virtual ones",
        "CR3 leads to the tables, CR0.PG switches it on. A page that no table shows is a page fault, with the address "
        "in CR2.",
        f"{_SDM}, chapter 4",
    ),
    _Word(
        "physical address",
        "where something lies in the machine's memory",
        "All that PVH hands over are physical addresses. Without paging a program has no others; with paging it has "
        "virtual ones, which page tables lead to physical ones.",
    ),
    _Word(
        "identity map",
        "page tables that show memory at its physical addresses",
        "The code that switches paging on must lie in it, to go on at the next instruction.",
    ),
    _Word(
        "direct map",
        "page tables that show physical memory in one piece, further up",
        "A 64-bit Linux has it at 0xffff888000000000, a 32-bit one at 0xc0000000. At the stage prepare that of a "
        "64-bit kernel ends at 1 GiB: what is handed over and lies higher can't be read.",
        "Linux arch/x86/platform/pvh/head.S and arch/x86/kernel/head_64.S",
    ),
    _Word(
        "kernel map",
        "page tables that show the kernel at the addresses that it was linked for",
        "A 64-bit Linux is linked for 0xffffffff80000000 and up, which is physical 0 and up.",
        "Linux arch/x86/kernel/head_64.S",
    ),
    _Word(
        "CPUID leaf",
        "what the instruction CPUID answers to one number",
        "From 0x40000000 on a VMM signs: XenVMMXenVMM, KVMKVMKVM, TCGTCGTCGTCG. By that the kernel sees Xen.",
        "Linux arch/x86/include/asm/processor.h, hypervisor_cpuid_base",
    ),
    _Word(
        "hypercall",
        "a guest's call to its VMM, as a system call is a program's to its kernel",
        "On Xen a start_info without a memory map is no fault: the kernel asks for the map by a hypercall.",
        _PREPARE,
    ),
    _Word(
        "control domain, dom0",
        "the guest of Xen's that runs the machine's devices and makes the other guests",
        "Xen starts it by PVH, too: version 0 of start_info, flags PRIVILEGED and INITDOMAIN.",
        "Xen xen/arch/x86/hvm/dom0_build.c",
    ),
    _Word(
        "paravirtual guest, PV",
        "a guest of Xen's without virtual hardware, which has an entry and a start_info of its own",
        "Not PVH: another structure, with a name that is nearly the same.",
    ),
    _Word(
        "stub, gdbstub",
        "the part of a VMM that gdb talks to",
        "`-gdb` starts QEMU's. `pvhdbg attach` takes one that already runs.",
    ),
    _Word(
        "preflight",
        "what pvhdbg works out before it starts anything: whether QEMU will start this file by PVH",
        "The rules PVH501 and on. `--force` starts what it refuses.",
    ),
    _Word(
        "stages, stop",
        "where pvhdbg stops a boot: entry, prepare, bootparams, kernel, e820",
        "`explain entry` and so on tell of each. A guest that is not Linux may have the first alone.",
    ),
    _Word(
        "capture, recording",
        "what was read at a stop, and a file with all captures of a run",
        "`pvhdbg dump -o FILE` writes a recording; `show` and `diff` read it, and nothing need run for that.",
    ),
    _Word(
        "finding, rule",
        "what a rule has to say of a stop, and where",
        "error: this kernel dies of it, or loses memory, initrd or command line. warning: the ABI is broken, and some "
        "known guest trips over it. info: true and harmless. `explain` with its code says more.",
    ),
)  # fmt: skip


def words() -> Iterator[Topic]:
    for word in _WORDS:
        names = tuple(word.names.split(", "))
        yield Topic(WORDS, names[0], names, partial(_word, names[0], word))


def _word(name: str, word: _Word) -> Explanation:
    return Explanation(f"the word {name}", meaning=word.meaning, more=(word.more,), source=word.source)
