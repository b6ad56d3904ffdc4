"""FreeBSD and NetBSD."""

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

FREEBSD = GuestProfile(
    name="freebsd",
    title="FreeBSD",
    marks=Marks(("hammer_time_xen",), "FreeBSD"),
    stages=(
        GuestStage("prepare", "hammer_time_xen"),
        GuestStage("bootparams", "hammer_time_xen", returns=True),
        GuestStage("kernel", "mi_startup"),
    ),
    variables=(
        Variable(
            PVH_START_INFO,
            "start_info",
            POINTER,
            ("bootparams",),
            "the pointer to the VMM's start_info, which hammer_time_xen sets; FreeBSD makes no copy",
        ),
    ),
    argument="rdi",
    reads="the magic, flags, the module list, the command line, the memory map, and the RSDP. The words of the command "
    "line are separated by commas, blanks, tabs or newlines.",
    ignores="the memory map on Xen, if version is 0: it then asks Xen for the map.",
    requires="version 1 and a memmap_paddr, unless it runs on Xen. If modlist_paddr is set, module 0 must have a "
    "command line, and FreeBSD's loader metadata as its content. A wrong magic halts it without a message.",
    source="FreeBSD sys/amd64/amd64/xen-locore.S and sys/x86/xen/pv.c",
    wrong_magic="FreeBSD halts without a message",
)

_NETBSD_COPY = Variable(
    PVH_START_INFO,
    "hvm_start_paddr",
    PHYSICAL,
    ("prepare", "bootparams"),
    "the physical address of start_info, which the entry code has saved",
    size=4,
)
NETBSD = GuestProfile(
    name="netbsd",
    title="NetBSD",
    marks=Marks(("init_xen_early", "start_xen32"), "NetBSD"),
    stages=(
        GuestStage("prepare", "init_xen_early"),
        GuestStage("bootparams", "init_x86_64", returns=True),
        GuestStage("kernel", "main"),
    ),
    variables=(_NETBSD_COPY,),
    argument="",
    reads="start_info, the memory map and the command line, which the entry code copies to the page after the kernel.",
    ignores="the magic, the version, and the upper 32 bits of every address. It does not copy the modules.",
    requires="a command line that four zero bytes follow, and one page that holds start_info, the memory map and the "
    "command line together.",
    source="NetBSD 10 sys/arch/amd64/amd64/locore.S and sys/arch/xen/x86/hypervisor_machdep.c",
    wrong_magic="NetBSD does not check it, and uses whatever is there",
)
NETBSD_CURRENT = NETBSD._replace(
    name="netbsd-current",
    title="NetBSD-current",
    marks=Marks(("start_genpvh", "init_start_info")),
    stages=(
        GuestStage("prepare", "init_start_info"),
        GuestStage("bootparams", "init_x86_64", returns=True),
        GuestStage("kernel", "main"),
    ),
    ignores="the magic, the version, and the upper 32 bits of every address.",
    source="NetBSD-current sys/arch/amd64/amd64/locore.S, and the fork smolBSD",
)
