"""Roles in the small structures of the zero page, where they are not those of the structure as a whole.

Facts: Linux arch/x86/boot/main.c and memory.c, arch/x86/kernel/e820.c.
"""

from __future__ import annotations

from pvhdbg.abi.roles.words import NOBODY, REAL_MODE, Role

_OLD_LOADER = "boot loaders from before protocol 2.02"
_OLD_CMDLINE = Role(
    _OLD_LOADER,
    "the kernel's real-mode code, if hdr.cmd_line_ptr is 0",
    "How the command line was told before hdr.cmd_line_ptr was. A PVH guest has 0 here.",
)
_UNUSED = Role(NOBODY, NOBODY, "Room that nothing uses.")
_EDD_RESERVED = Role("the BIOS", NOBODY, "Room that the BIOS's disk extensions keep free.")

PARTS = {
    "screen_info": {
        "ext_mem_k": Role(
            REAL_MODE,
            "e820__memory_setup_default, if there is no usable e820_table",
            "Nothing about a display: the older one of two fall-backs for the memory's size, beside alt_mem_k. A PVH "
            "guest has 0 here.",
        ),
        "cl_magic": _OLD_CMDLINE,
        "cl_offset": _OLD_CMDLINE,
        "unused2": _UNUSED,
        "unused3": _UNUSED,
        "_reserved": _UNUSED,
    },
    "edd_device_params": {"reserved2": _EDD_RESERVED, "reserved3": _EDD_RESERVED, "reserved4": _EDD_RESERVED},
}
"""By the structure's and the field's C name."""
