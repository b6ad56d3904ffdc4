"""OSv, Nanos, Asterinas and Hermit."""

from __future__ import annotations

from pvhdbg.guest_profiles.profile import (
    POINTER,
    PVH_START_INFO,
    GuestProfile,
    GuestStage,
    Marks,
    Variable,
)

OSV_INFO, OSV_TABLE, OSV_ENTRY_SIZE = 0x1000, 0x2000, 24
"""Where OSv writes its multiboot information and its table of map entries, and the size of an entry."""
OSV_INFO_SIZE = 0x100
"""At least the size of OSv's multiboot information, with its own fields after it."""

OSV = GuestProfile(
    name="osv",
    title="OSv",
    marks=Marks(("hvm_xen_extract_boot_params",)),
    stages=(
        GuestStage("prepare", "hvm_xen_extract_boot_params"),
        GuestStage("bootparams", "hvm_xen_extract_boot_params", returns=True),
        GuestStage("kernel", "premain"),
    ),
    variables=(
        Variable(
            PVH_START_INFO,
            "hvm_xen_start_info",
            POINTER,
            ("prepare", "bootparams"),
            "the pointer to the VMM's start_info; OSv makes no copy, but converts it to multiboot information",
            size=8,
        ),
    ),
    argument="",
    reads="the command line, the memory map, and the RSDP.",
    ignores="the magic, the version, the flags, and the modules.",
    requires="no boot data at 0x1000 and from 0x2000 on: it writes its multiboot information and its own map there, "
    "before it has read everything.",
    source="OSv arch/x64/boot.S and arch/x64/xen.cc",
    wrong_magic="OSv does not check it, and uses whatever is there",
)
NANOS = GuestProfile(
    name="nanos",
    title="Nanos",
    marks=Marks(("pvh_start32", "pvh_start", "init_service")),
    stages=(GuestStage("prepare", "pvh_start"), GuestStage("kernel", "init_service")),
    variables=(),
    argument="rdi",
    reads="the magic, and the RAM entries of the memory map.",
    ignores="the version, the command line, the modules, and the RSDP.",
    requires="the right magic; otherwise it returns from its first function.",
    source="Nanos platform/pc/service.c",
    wrong_magic="Nanos returns from its first function",
)
ASTERINAS = GuestProfile(
    name="asterinas",
    title="Asterinas",
    marks=Marks(("__pvh_boot", "__pvh_entry")),
    stages=(GuestStage("prepare", "__pvh_entry"), GuestStage("kernel", "ostd::boot::start_kernel")),
    variables=(),
    argument="rdi",
    reads="the magic, module 0 as its initramfs, the command line, the memory map, and the RSDP.",
    ignores="the flags, and every module after the first. If rsdp_paddr is 0, it searches for the RSDP.",
    requires="version 1: with version 0 it has no memory map. A wrong magic makes it panic.",
    source="Asterinas ostd/src/arch/x86/boot/pvh/ and ostd/src/boot/mod.rs",
    wrong_magic="Asterinas panics",
    needs_version_1=True,
)
HERMIT = GuestProfile(
    name="hermit",
    title="Hermit",
    marks=Marks(note_owner="HERMIT"),
    stages=(GuestStage("prepare", "hermit::arch::x86_64::kernel::pvh::rust_start"),),
    variables=(),
    argument="rdi",
    reads="the memory map and the command line. It prints start_info.",
    ignores="the flags.",
    requires="version 1: with version 0 it has no memory map.",
    source="Hermit kernel pull request 2366, src/arch/x86_64/kernel/pvh/mod.rs, and the crate pvh",
    needs_version_1=True,
)
