"""Roles of fields in the small structures of the zero page, where they differ from the role of the structure.

Facts: Linux arch/x86/boot/main.c and memory.c, arch/x86/kernel/e820.c.
"""

from __future__ import annotations

from pvhdbg.abi.roles.actors import NO_PROGRAM, REAL_MODE, Role

_OLD_CMDLINE = Role(
    "boot loaders from before boot protocol 2.02",
    "the kernel's real-mode code, if hdr.cmd_line_ptr is 0",
    "The way to pass the command line before hdr.cmd_line_ptr existed. 0 in a PVH boot.",
)
_UNUSED = Role(NO_PROGRAM, NO_PROGRAM, "Unused.")
_EDD_RESERVED = Role("the BIOS", NO_PROGRAM, "Reserved by the BIOS disk extensions.")

PARTS = {
    "screen_info": {
        "ext_mem_k": Role(
            REAL_MODE,
            "e820__memory_setup_default, if e820_table is not usable",
            "The amount of memory, as a fallback; it has nothing to do with the display. The newer fallback is "
            "alt_mem_k. 0 in a PVH boot.",
        ),
        "cl_magic": _OLD_CMDLINE,
        "cl_offset": _OLD_CMDLINE,
        "unused2": _UNUSED,
        "unused3": _UNUSED,
        "_reserved": _UNUSED,
    },
    "edd_device_params": {"reserved2": _EDD_RESERVED, "reserved3": _EDD_RESERVED, "reserved4": _EDD_RESERVED},
}
"""Roles by the C names of structure and field."""
