"""The glossary: terms that the other explanations use."""

from __future__ import annotations

from pvhdbg.views.explain.cpu_terms import CPU_TERMS
from pvhdbg.views.explain.topic import Term

_ABI = "Xen docs/misc/pvh.pandoc"
_BOOT = "Linux Documentation/arch/x86/boot.rst"
_PREPARE = "Linux arch/x86/platform/pvh/enlighten.c"

SIGNS = (
    ("●", "a stage that was captured; beside code, a breakpoint"),
    ("◉", "the stage where the machine stops"),
    ("○", "a stage that was not reached"),
    ("◌", "a stage that the guest passed, but pvhdbg did not capture; before a file name, a recording"),
    ("◇", "a stage that was captured before you went back, and not again since"),
    ("◆", "between two stages, where the machine is stopped, or the displayed step of a trace"),
    ("−", "a stage that this guest does not have"),  # noqa: RUF001
    ("▶", "the guest is running; beside code, the next instruction"),
    ("■", "the guest is stopped, or has halted for good"),
    ("□", "there is no machine any more"),
    ("✖", "a finding of severity error, or a guest that has died or panicked"),
    ("▲", "a finding of severity warning"),
    ("ℹ", "a finding of severity info"),  # noqa: RUF001
    ("▸", "the selected row"),
    ("█", "in a picture of memory, a range of type RAM"),
    ("▒", "in a picture of memory, a range of type RESERVED"),
    ("·", "in a picture of memory, addresses that no range lists"),
)
"""The signs on the screen, and what each means."""

TERMS = (
    Term(
        "PVH",
        "a way to start a kernel in a virtual machine without a boot loader",
        "The VMM loads an uncompressed kernel and jumps to the address in its ELF note PHYS32_ENTRY, in 32-bit code "
        "without paging, with the address of struct hvm_start_info in EBX. PVH comes from Xen. Outside Xen, Linux 5.0 "
        "and later and QEMU 4.0 and later support it. The explanations of the stages describe the boot step by step: "
        "start with `explain entry`.",
        _ABI,
    ),
    Term(
        "VMM, virtual machine monitor, hypervisor",
        "the program that provides a virtual machine and runs the guest in it",
        "For example QEMU, Cloud Hypervisor, Firecracker, or Xen with its toolstack. The VMM, or its firmware, writes "
        "start_info to the guest's memory.",
    ),
    Term(
        "boot data, handover",
        "what the VMM passes to the kernel",
        "start_info, and everything that it points to: the modules, the command line, the ACPI root pointer and the "
        "memory map. At the entry, the commands `set` and `protocol` change it. The EFI handover, to which "
        "handover_offset leads, is something else.",
    ),
    Term(
        "guest",
        "the software that runs in the virtual machine",
        "In pvhdbg, it is usually the kernel that boots.",
    ),
    Term(
        "teaching guest",
        "a small PVH kernel that comes with pvhdbg, with its source",
        "pvhdbg boots it if you do not name a kernel. Its functions have the names of the functions in Linux, so that "
        "it has the same stages. It prints its boot data on the serial console.",
        "pvhdbg/guest",
    ),
    Term(
        "dmesg, log, kernel log, printk",
        "the kernel's own log: every message of its function printk",
        "Linux keeps all its messages, from the first one on, in a ring buffer in its memory, whether or not a console "
        "shows them. The command `dmesg` reads them there: each line has the time in seconds and the text. The time is "
        "0 until the kernel has a clock. A message is in the log when printk has returned: the text of a panic is not "
        "there yet at the first instruction of the function `panic`. pvhdbg takes the layout of the ring buffer from "
        "the kernel's debug information. Without it, pvhdbg tries the layouts since Linux 5.10, and accepts one only "
        "if the messages are numbered consecutively.",
        "Linux kernel/printk/printk_ringbuffer.c",
    ),
    Term(
        "habit, known habit",
        "a harmless difference from the ABI that is the same in every boot with this VMM",
        "QEMU has some, such as the limit of TR (PVH126). Reports show them in one line; `check @STAGE` and JSON show "
        "each of them.",
    ),
    Term(
        "ABI, contract",
        "application binary interface: the rules that both sides of a call or an entry must follow",
        "The PVH ABI defines the ELF note, the state of the CPU at the entry, and the structures in memory.",
        f"{_ABI}; Xen xen/include/public/arch-x86/hvm/start_info.h",
    ),
    Term(
        "RFC, 2017 RFC, the 2017 RFC",
        "request for comments: the first patches to boot Linux via PVH on KVM, posted in November 2017",
        'In their protocol, the memory map is module 1, whose command line is "e820 data". Linux never adopted it: '
        "version 1 of start_info points to the memory map instead. `--protocol e820-module` passes the map in the "
        "2017 RFC protocol.",
        "the 2017 RFC patches, arch/x86/xen/enlighten_pvh.c",
    ),
    Term(
        "Xen, toolstack",
        "a VMM that runs directly on the hardware; the toolstack is the set of programs that create its guests",
        "PVH was made for Xen. Xen calls its guests domains. The toolstack runs in the control domain.",
        _ABI,
    ),
    Term(
        "firmware, BIOS",
        "the first program that a machine runs, before a boot loader or a kernel",
        "In a PVH boot QEMU's firmware builds start_info and jumps to the entry. It is qboot, or SeaBIOS with the "
        "option ROM pvh.bin. Other VMMs have no firmware and write start_info themselves.",
        "QEMU pc-bios/optionrom/pvh_main.c; qboot main.c",
    ),
    Term(
        "SeaBIOS, option ROM",
        "QEMU's default BIOS; an option ROM is a program that a BIOS runs before it looks for a boot device",
        "pvh.bin is an option ROM that boots kernels via PVH.",
    ),
    Term(
        "qboot",
        "a small firmware for QEMU's microvm",
        "It writes start_info below 1 MiB, and the module list to its own stack, which the memory map lists as free "
        "RAM. It may add an empty entry to the end of the map (PVH201).",
        "qboot main.c",
    ),
    Term(
        "pvh.bin",
        "QEMU's option ROM that boots a kernel via PVH, on the machine types pc and q35",
        "SeaBIOS runs it. It asks SeaBIOS for the memory map (int 0x15, AX=0xe820), searches for the ACPI root "
        "pointer, and writes everything to low memory.",
        "QEMU pc-bios/optionrom/pvh_main.c",
    ),
    Term(
        "microvm",
        "a QEMU machine type with only the parts of a PC that Linux needs",
        "It is pvhdbg's default. `-M q35` and `-M pc` are complete PCs.",
        "QEMU docs/system/i386/microvm.rst",
    ),
    Term(
        "TCG",
        "QEMU's software CPU emulator",
        "It is pvhdbg's default (`--accel tcg`). It supports any number of breakpoints, and any CPU model on any host.",
    ),
    Term(
        "KVM",
        "Linux's hypervisor: the guest's instructions run on the real CPU",
        "Select it with `--accel kvm`. It supports four hardware breakpoints.",
    ),
    Term(
        "ELF",
        "executable and linkable format: the file format of Linux programs, and of the kernel that PVH boots",
        "The ELF header has the address of the entry of other boot protocols. The program headers list the segments "
        "to load and the notes. PVH takes its entry from a note.",
        "System V gABI",
    ),
    Term(
        "ELF note",
        "a small record in an ELF file: owner, type, data",
        "Loaders find notes through the program headers of type PT_NOTE. The note with owner Xen and type 18, "
        "PHYS32_ENTRY, holds the address of the PVH entry. `pvhdbg inspect` lists all notes of a file.",
        "System V gABI, note section",
    ),
    Term(
        "segment, PT_LOAD",
        "in an ELF file, a part that is loaded as a unit; in a CPU, a range of memory that a segment register selects",
        "In an ELF file, each program header of type PT_LOAD gives the physical address at which a segment is loaded "
        "(p_paddr), and the virtual address for which it is linked (p_vaddr). In a CPU, an entry of the GDT describes "
        "a segment: its base, its limit, and whether it is code or data. CS, DS and SS are segment registers.",
        "System V gABI, program headers; Intel SDM volume 3, chapter 3",
    ),
    Term(
        "BSS, .bss",
        "a program's variables that start as 0: they take memory, but no bytes in the file",
        "A segment with a BSS is larger in memory (p_memsz) than in the file (p_filesz). The loader or the kernel "
        "clears it.",
        "System V gABI, p_filesz and p_memsz",
    ),
    Term(
        "build-id",
        "a hash in an ELF note, unique to each build",
        "pvhdbg uses it to check that a symbol file belongs to the running kernel.",
    ),
    Term(
        "loader, ELF loader",
        "the code that loads a kernel file into memory",
        "It is a part of QEMU or of Xen's toolstack, or the library linux-loader. A loader reads the ELF notes and "
        "the segments of the file. A boot loader such as GRUB is a separate program; in Linux, hdr.type_of_loader "
        "identifies the boot loader.",
    ),
    Term(
        "linux-loader",
        "the Rust library that Cloud Hypervisor and Firecracker use to load kernels",
        "It requires the owner Xen on the note PHYS32_ENTRY, and a 64-bit ELF file.",
        "rust-vmm linux-loader src/loader/elf/mod.rs",
    ),
    Term(
        "vmlinux",
        "the Linux kernel as the linker produces it: an uncompressed ELF file",
        "PVH boots this file. If it has debug information, gdb also knows names, types and source lines.",
    ),
    Term(
        "bzImage, vmlinuz",
        "the kernel file for boot loaders: real-mode code, a decompressor and the compressed vmlinux",
        "It boots via the Linux boot protocol, not via PVH. pvhdbg unpacks the vmlinux in it and boots that file.",
        _BOOT,
    ),
    Term(
        "boot loader",
        "a program that loads a kernel and starts it, such as GRUB",
        "A PVH boot needs no boot loader: the VMM itself loads the kernel.",
        _BOOT,
    ),
    Term(
        "boot protocol, Linux boot protocol, Linux's boot protocol",
        "how a boot loader starts a bzImage",
        "The boot loader reads setup_header in the file, fills in struct boot_params, and jumps to the kernel. A PVH "
        "boot joins this path at startup_64, with pvh_bootparams, which the kernel has built itself. The version of "
        "the protocol, for example 2.12, determines which fields exist.",
        _BOOT,
    ),
    Term(
        "real-mode code",
        "the first part of a bzImage: 16-bit code that calls the BIOS and fills in boot_params",
        "A PVH boot does not run it, so the fields that only a BIOS can fill in stay 0.",
        "Linux arch/x86/boot/main.c",
    ),
    Term(
        "decompressor",
        "the part of a bzImage that unpacks the vmlinux and moves it to the address that KASLR chose",
        "A PVH boot bypasses it.",
        "Linux arch/x86/boot/compressed/misc.c",
    ),
    Term(
        "KASLR",
        "kernel address space layout randomization: the kernel has different addresses at each boot",
        "The decompressor chooses the addresses. A PVH boot has no decompressor, so the addresses in the file are "
        "valid. Another boot may move the kernel: `attach` finds it, and `nokaslr` on its command line prevents this.",
        "Linux arch/x86/boot/compressed/kaslr.c",
    ),
    Term(
        "EFI stub",
        "the part of a bzImage that lets EFI firmware run it directly",
        "It fills in boot_params with data from EFI. A PVH boot bypasses it.",
    ),
    Term(
        "kexec",
        "a way for Linux to start another kernel without firmware in between",
        "The running kernel is then the boot loader of the next kernel.",
    ),
    Term(
        "multiboot",
        "another protocol between a boot loader and a kernel",
        "QEMU looks for a multiboot header before it looks for a PVH note, so if a file has both, QEMU boots it via "
        "multiboot (PVH502).",
        "QEMU hw/i386/x86.c and multiboot.c",
    ),
    Term(
        "module",
        "a file that the VMM loads into memory next to the kernel",
        "struct hvm_modlist_entry holds its address and size. Linux uses module 0 as the ramdisk.",
        "Xen xen/include/public/arch-x86/hvm/start_info.h",
    ),
    Term(
        "command line, kernel command line",
        "text with options for the kernel, such as `console=ttyS0`",
        "It ends with a byte of 0. The VMM passes its address in cmdline_paddr; QEMU takes the text from -append (-a).",
    ),
    Term(
        "ramdisk, initrd, initramfs",
        "a file system in memory, from which Linux runs its first programs",
        "`-i FILE` adds a ramdisk. The VMM passes it as module 0; Linux keeps its address and size in "
        "hdr.ramdisk_image and hdr.ramdisk_size.",
    ),
    Term(
        "e820, memory map",
        "the memory map of a PC: ranges of physical addresses, each with a type",
        "Named after the BIOS call that returns it, int 0x15 with AX=0xe820. Linux also uses the name for maps from "
        "other sources. Each type has an explanation, for example `explain RAM` or `explain RESERVED`.",
        "ACPI 6.5, 15.1 and table 15.4",
    ),
    Term(
        "zero page",
        "another name for struct boot_params",
        "It has 4096 bytes, and every x86 Linux starts with it.",
        "Linux Documentation/arch/x86/zero-page.rst",
    ),
    Term(
        "ISA range",
        "the addresses 0xa0000 to 0xfffff: a PC's video memory and ROMs",
        "init_pvh_bootparams adds it to the memory map as RESERVED, whatever the map already lists there.",
        _PREPARE,
    ),
    Term(
        "init_pvh_bootparams",
        "the Linux function that builds pvh_bootparams from start_info",
        "xen_prepare_pvh calls it, so it runs between the stages prepare and bootparams. It copies the memory map, "
        "adds the ISA range, and sets five fields of hdr.",
        _PREPARE,
    ),
    Term(
        "RSDP, ACPI root pointer",
        "root system description pointer: the start of the ACPI tables, which describe the machine",
        'It starts with "RSD PTR ". Without ACPI, Linux finds neither other CPUs nor most interrupts.',
        "ACPI 6.5, 5.2.5",
    ),
    Term(
        "BUG, BUG()",
        "how Linux stops when it cannot continue: it executes the instruction `ud2`",
        "`ud2` is an undefined instruction and raises a fault. With an IDT, Linux reports the fault. At the PVH entry "
        "there is no IDT, so the result is a triple fault.",
        "Linux arch/x86/include/asm/bug.h",
    ),
    *CPU_TERMS,
    *(Term(sign, meaning, "A sign on the screen.") for sign, meaning in SIGNS),
    Term(
        "hypercall",
        "a guest's call to its VMM, like a program's system call to its kernel",
        "On Xen, start_info may lack a memory map: the kernel then gets the map with a hypercall.",
        _PREPARE,
    ),
    Term(
        "control domain, dom0",
        "the Xen guest that runs the machine's devices and creates the other guests",
        "Xen can boot it via PVH too, with version 0 of start_info and the flags PRIVILEGED and INITDOMAIN.",
        "Xen xen/arch/x86/hvm/dom0_build.c",
    ),
    Term(
        "paravirtual guest, PV",
        "a Xen guest without virtual hardware, with its own entry and its own struct start_info",
        "It does not boot via PVH: its start_info is a different structure from hvm_start_info.",
    ),
    Term(
        "stub, gdbstub",
        "the part of a VMM that gdb connects to",
        "QEMU's option `-gdb` starts it. `pvhdbg attach` connects to a gdbstub that is already running.",
    ),
    Term(
        "pre-start check, preflight, verdict",
        "pvhdbg's check of the kernel file before it starts QEMU",
        "It predicts whether QEMU will boot the file via PVH. Each problem that it finds is a verdict; the rules "
        "PVH501 to PVH538 explain them. `--force` boots a file that the check rejects.",
    ),
    Term(
        "stage, stages, stop",
        "a point where pvhdbg stops a boot: entry, prepare, bootparams, kernel, e820",
        "Each stage has an explanation, for example `explain entry`. A guest that is not Linux may have only the "
        "stage entry.",
    ),
    Term(
        "pvh command, question",
        "a command about the boot data, such as memmap, cpu or check",
        "On the screen, press : and type it. Inside gdb, put `pvh` before it: `pvh memmap`. In the shell, use the "
        "option -c: `pvhdbg dump -c memmap`. `help` lists all commands.",
    ),
    Term(
        "capture, recording",
        "what pvhdbg read at a stop; a recording is a file with all captures of a run",
        "`pvhdbg dump -o FILE` writes a recording. `pvhdbg show` and `pvhdbg diff` read it, without a running guest.",
    ),
    Term(
        "snapshot, going back, step back, undo",
        "a saved state of the machine that pvhdbg started, to which it can return",
        "On the screen, QEMU saves memory and devices at each stop while pvhdbg waits for a key. F8 and `back` restore "
        "the last captured stage, alive, also after a death. What the guest and the user changed since then is undone, "
        "except on the user's disks. F7, `reverse-stepi` and `reverse-continue` run from a snapshot to the instruction "
        "or breakpoint before this one. `--snapshots off` turns this off. Commands without a screen take no snapshots.",
    ),
    Term(
        "death, died, dead, crash",
        "the end of a guest that can't continue",
        "Before the kernel has an IDT, every fault is a triple fault, and the guest prints nothing. pvhdbg stops the "
        "machine there, shows registers and code, and names the cause if a rule knows it. On the screen, F8 goes back "
        "to the last captured stage. A guest that panics or halts has not died in this sense: it ended itself, and "
        "usually printed why.",
    ),
    Term(
        "panic, kernel panic",
        "Linux gives up: its function `panic` prints the reason and stops the machine or resets it",
        "The text is in the kernel's log, in guest memory, even if there is no console: see the command `dmesg`, and "
        "the views serial and log on the screen.",
        "Linux kernel/panic.c",
    ),
    Term(
        "tour, lab",
        "the tour is a course about a boot on the screen; a lab is an exercise with a broken boot",
        "Start them in the shell: `pvhdbg tour` and `pvhdbg lab`. `pvhdbg manual tour` and `pvhdbg manual labs` "
        "describe them.",
    ),
    Term(
        "finding, rule",
        "what a rule reports about a stop, and where",
        "error: the kernel crashes, or loses memory, its initrd or its command line. warning: the ABI is violated, "
        "and a known guest fails because of it. info: unusual but harmless. `explain CODE` explains a rule.",
    ),
)  # fmt: skip
