"""How a VMM loads a kernel file: which files it refuses, and what it does with the file."""

from __future__ import annotations

from typing import NamedTuple

REFUSES = "it refuses the file"
NOT_PVH = "it boots the file via the Linux boot protocol, not via PVH"
QEMU, XEN, LINUX_LOADER, ALIOTH, GOKVM, OPENVMM = "QEMU", "Xen", "linux-loader", "alioth", "gokvm", "openvmm"
"""The searches for the PVH note: pvhdbg.image.vmm_loaders.note_search has a function for each."""


class Loader(NamedTuple):
    """The rules of a VMM's loader. A VMM whose loader is a known library needs no code, only these values.

    `search` is one of the searches above. `without_note` is what the VMM does with a file in which it finds no note.
    `lowest_e_entry` and `lowest_segment` are the lowest e_entry and p_paddr that it accepts. `own_pages` is whether it
    refuses two segments that share a page. `entry_in_segment` is whether it refuses an entry outside of all segments.
    `every_segment` is whether it loads the bytes of every program header, not only of PT_LOAD. `holes` are the ranges
    of physical addresses, each a start and an end, where it never has RAM. `before` has the names of the structures
    that it writes before it loads the kernel, so that the kernel overwrites them; it writes all others afterwards.
    """

    search: str
    source: str
    without_note: str = REFUSES
    lowest_e_entry: int = 0
    lowest_segment: int = 0
    own_pages: bool = False
    entry_in_segment: bool = False
    every_segment: bool = False
    holes: tuple[tuple[int, int], ...] = ()
    before: tuple[str, ...] = ()
