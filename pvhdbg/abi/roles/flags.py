"""Roles of single flags where they are not those of the field that has them.

Facts: Xen xen/include/public/xen.h; Linux Documentation/arch/x86/boot.rst, arch/x86/boot, arch/x86/xen.
"""

from __future__ import annotations

from pvhdbg.abi.roles.words import BUILD, LOADER, Role

_XEN_DOM0 = "Xen, for its control domain"
_XEN_PVH = "xen_pvh_init, on Xen only: it becomes xen_start_flags"
_PARAVIRTUAL = "Xen, for paravirtual guests; no VMM sets it for a PVH guest"

FLAGS = {
    "hvm_start_info.flags": {
        "PRIVILEGED": Role(_XEN_DOM0, _XEN_PVH, "The control domain may do what other guests may not."),
        "INITDOMAIN": Role(_XEN_DOM0, _XEN_PVH, "Tells Linux that it is the control domain: xen_initial_domain()."),
        "MULTIBOOT_MOD": Role(_PARAVIRTUAL, "paravirtual guests", "Of the start_info of paravirtual guests."),
        "MOD_START_PFN": Role(_PARAVIRTUAL, "paravirtual Linux", "Of the start_info of paravirtual guests."),
        "VIRT_P2M_4TOOLS": Role(_PARAVIRTUAL, "paravirtual Linux", "Of the start_info of paravirtual guests."),
    },
    "setup_header.ram_size": {
        "RAMDISK_LOAD_FLAG": Role(f"{BUILD}, 0", "old Linux; today nobody", "From the days of floppies."),
        "RAMDISK_PROMPT_FLAG": Role(f"{BUILD}, 0", "old Linux; today nobody", "From the days of floppies."),
    },
    "setup_header.loadflags": {
        "LOADED_HIGH": Role(BUILD, "boot loaders and kexec", "Every bzImage has it; a zImage, loaded low, had not."),
        "KASLR_FLAG": Role(
            "the decompressor",
            "kaslr_enabled",
            "A PVH boot goes round the decompressor and leaves 0: the kernel runs at its link addresses.",
        ),
        "QUIET_FLAG": Role(LOADER, "nobody today", "The command line's `quiet` is another."),
        "KEEP_SEGMENTS": Role(LOADER, "nobody today", "Was for 32-bit entries whose loader had set the segments."),
        "CAN_USE_HEAP": Role(
            LOADER, "the kernel's real-mode code", "Without it that code has no heap, and may do less."
        ),
    },
}
"""By the field that has them and the flag's name. A flag that is not here has its field's role."""
