"""Linux, and the teaching guest, which has the same functions, variables and structures."""

from __future__ import annotations

from pvhdbg.guest_profiles.profile import (
    BOOT_PARAMS,
    E820_TABLE,
    KERNEL_BOOT_PARAMS,
    POINTER,
    PVH_START_INFO,
    STRUCTURE,
    GuestProfile,
    GuestStage,
    Marks,
    Variable,
)

BANNER = b"Linux version "
NOTE_OWNER = "Linux"
PARSER = "xen_prepare_pvh"
"""The function that takes start_info. A guest that has it boots like Linux."""

_STAGES = (
    GuestStage("prepare", PARSER),
    GuestStage("bootparams", PARSER, returns=True),
    GuestStage("kernel", "start_kernel"),
    GuestStage("e820", "e820__memory_setup", returns=True),
)
_VARIABLES = (
    Variable(
        PVH_START_INFO,
        "pvh_start_info",
        STRUCTURE,
        ("prepare", "bootparams"),
        "the kernel's copy of start_info, read at prepare and bootparams",
    ),
    Variable(
        BOOT_PARAMS,
        "pvh_bootparams",
        STRUCTURE,
        ("bootparams",),
        f"the boot_params that {PARSER} fills in, read at bootparams",
    ),
    Variable(
        KERNEL_BOOT_PARAMS,
        "boot_params",
        STRUCTURE,
        ("kernel", "e820"),
        "the kernel's copy of pvh_bootparams, read at kernel and e820",
    ),
    Variable(E820_TABLE, "e820_table", POINTER, ("e820",), "the pointer to the kernel's e820 table, read at e820"),
)

LINUX = GuestProfile(
    name="linux",
    title="Linux",
    marks=Marks((PARSER,), "linux", NOTE_OWNER, BANNER),
    stages=_STAGES,
    variables=_VARIABLES,
    argument="",
    reads="the magic, the version, module 0 as its ramdisk, the command line, the memory map, and the RSDP.",
    ignores="flags, except on Xen; every module after the first; the command lines of modules.",
    requires="the right magic, and a version 1 start_info with at least one map entry; otherwise it executes BUG(). "
    "All boot data must be below 1 GiB, as far as its early page tables reach.",
    source="Linux arch/x86/platform/pvh/head.S and enlighten.c",
    tried="the tests boot Debian's kernels from 5.10 to the newest",
    wrong_magic="Linux hits a BUG before it can print anything",
    boots_like_linux=True,
)
LINUX_32 = LINUX._replace(
    name="linux-32",
    title="32-bit Linux",
    requires="the right magic, and a version 1 start_info with at least one map entry; otherwise it executes BUG(). "
    "The boot data must be in the little memory that its early page tables map after the kernel. It needs PAE.",
    tried="the tests boot Debian's 32-bit kernel 6.1",
)
TEACHING = LINUX._replace(
    name="teaching-guest",
    title="the teaching guest",
    marks=Marks((PARSER, "map_from_memmap"), "pvhdbg teaching guest"),
    reads='everything that Linux reads, and the map in an "e820 data" module, as kernels with the 2017 RFC patches do.',
    requires='what Linux requires, except that it also accepts version 0 with an "e820 data" module.',
    source="pvhdbg/guest/",
    tried="the tests boot it in every way",
)
