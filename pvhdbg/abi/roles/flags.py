"""Roles of single flags where they differ from the role of the field.

Facts: Xen xen/include/public/xen.h; Linux Documentation/arch/x86/boot.rst, arch/x86/boot, arch/x86/xen.
"""

from __future__ import annotations

from pvhdbg.abi.roles.actors import BUILD, LOADER, Role

_XEN_DOM0 = "Xen, for its control domain"
_XEN_PVH = "xen_pvh_init, only on Xen: it copies the flags to xen_start_flags"
_PARAVIRTUAL = "Xen, for paravirtual guests; no VMM sets it for a PVH guest"
_PARAVIRTUAL_TEXT = "Used only in the start_info of paravirtual guests, which shares these flag bits."
_FLOPPY = "From the days of floppy disks."
_UNREAD = "no current program"

FLAGS = {
    "hvm_start_info.flags": {
        "PRIVILEGED": Role(_XEN_DOM0, _XEN_PVH, "Xen grants this guest privileges that other guests do not have."),
        "INITDOMAIN": Role(_XEN_DOM0, _XEN_PVH, "Makes xen_initial_domain() true: Linux acts as the control domain."),
        "MULTIBOOT_MOD": Role(_PARAVIRTUAL, "paravirtual guests", _PARAVIRTUAL_TEXT),
        "MOD_START_PFN": Role(_PARAVIRTUAL, "paravirtual Linux", _PARAVIRTUAL_TEXT),
        "VIRT_P2M_4TOOLS": Role(_PARAVIRTUAL, "paravirtual Linux", _PARAVIRTUAL_TEXT),
    },
    "setup_header.ram_size": {
        "RAMDISK_LOAD_FLAG": Role(f"{BUILD}, as 0", "old kernels, but no current kernel", _FLOPPY),
        "RAMDISK_PROMPT_FLAG": Role(f"{BUILD}, as 0", "old kernels, but no current kernel", _FLOPPY),
    },
    "setup_header.loadflags": {
        "LOADED_HIGH": Role(
            BUILD, "boot loaders and kexec", "Set in every bzImage. A zImage, loaded low, had it clear."
        ),
        "KASLR_FLAG": Role(
            "the decompressor",
            "kaslr_enabled",
            "A PVH boot bypasses the decompressor and leaves 0: the kernel runs at its link addresses.",
        ),
        "QUIET_FLAG": Role(LOADER, _UNREAD, "Independent of `quiet` on the command line."),
        "KEEP_SEGMENTS": Role(
            LOADER, _UNREAD, "Told the 32-bit entry that the boot loader had already set the segment registers."
        ),
        "CAN_USE_HEAP": Role(
            LOADER, "the kernel's real-mode code", "Without it the real-mode code has no heap and fewer features."
        ),
    },
}
"""Roles by the field and the name of the flag. A flag that is not listed has the role of its field."""
