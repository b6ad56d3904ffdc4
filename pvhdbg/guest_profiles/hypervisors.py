"""Guests that load or run other guests: Xen, GRUB and firmware; and Mini-OS, on which Xen's small domains are built."""

from __future__ import annotations

from pvhdbg.guest_profiles.profile import (
    PHYSICAL,
    POINTER,
    PVH_START_INFO,
    GuestProfile,
    GuestStage,
    Marks,
    Variable,
)

XEN = GuestProfile(
    name="xen-guest",
    title="Xen as a guest",
    marks=Marks(("pvh_init", "__start_xen"), string=b"PVH Directboot\0"),
    stages=(GuestStage("prepare", "pvh_init"), GuestStage("bootparams", "pvh_init", returns=True)),
    variables=(
        Variable(
            PVH_START_INFO,
            "pvh_start_info_pa",
            PHYSICAL,
            ("prepare", "bootparams"),
            "the physical address of start_info; Xen makes no copy, but converts it to multiboot structures",
            size=4,
        ),
    ),
    argument="",
    reads="the magic, all modules with their command lines, the command line, and the RSDP.",
    ignores="the version and the memory map: it asks the Xen below it for the map, with a hypercall.",
    requires="Xen as its VMM; at most seven modules; start_info, the modules and their command lines below 4 GiB. It "
    "panics otherwise.",
    source="Xen xen/arch/x86/boot/head.S and xen/arch/x86/guest/xen/pvh-boot.c",
    tried="the entry of Debian's xen-shim 4.17, which has no symbols",
    without="Xen's main function, __start_xen, itself calls the parser",
    wrong_magic="Xen panics",
    needs_xen="Xen asks its VMM for the memory map with a hypercall, and crashes",
)
GRUB = GuestProfile(
    name="grub",
    title="GRUB",
    marks=Marks(("grub_xen_setup_pvh",), string=b"i386-xen_pvh\0"),
    stages=(
        GuestStage("prepare", "grub_xen_setup_pvh"),
        GuestStage("bootparams", "grub_xen_setup_pvh", returns=True),
    ),
    variables=(
        Variable(
            PVH_START_INFO,
            "pvh_start_info",
            POINTER,
            ("prepare", "bootparams"),
            "the pointer to the VMM's start_info; GRUB makes no copy",
            size=4,
        ),
    ),
    argument="",
    reads="the RSDP, and in versions of 2025 and later the command line.",
    ignores="the modules and the memory map: it asks Xen for the map, with a hypercall.",
    requires="Xen as its VMM: it looks for Xen's CPUID leaves, and halts without them.",
    source="GRUB grub-core/kern/i386/xen/pvh.c",
    tried="the entry of Debian's grub-xen-host 2.06, which has no symbols, and that it halts without Xen",
    without="GRUB's main function, grub_main, itself calls the parser",
    needs_xen="GRUB finds no hypercalls, and halts",
)
MINI_OS = GuestProfile(
    name="mini-os",
    title="Mini-OS",
    marks=Marks(guest_os="Mini-OS"),
    stages=(GuestStage("prepare", "arch_init"), GuestStage("kernel", "start_kernel")),
    variables=(),
    argument="rsi",
    reads="start_info, whose address its entry code passes on; Solo5 and MirageOS, which are derived from it, "
    "demand version 1.",
    ignores="the modules.",
    requires="Xen as its VMM, for the hypercall page; boot data below 1 GiB.",
    source="Mini-OS arch/x86/x86_hvm.S and arch/x86/setup.c",
    needs_xen="Mini-OS finds no hypercalls, and crashes",
)
RUST_HYPERVISOR_FIRMWARE = GuestProfile(
    name="rust-hypervisor-firmware",
    title="rust-hypervisor-firmware",
    marks=Marks(("ram32_start", "rust64_start")),
    stages=(GuestStage("prepare", "rust64_start"),),
    variables=(),
    argument="rdi",
    reads="the memory map, the command line, and the RSDP, through the VMM's start_info.",
    ignores="the modules: it loads the next program from a disk.",
    requires="version 1 with a memory map; otherwise it has no memory. Its first page tables map 2 MiB.",
    source="rust-hypervisor-firmware src/asm/ram32.s and src/pvh.rs",
    needs_version_1=True,
)
