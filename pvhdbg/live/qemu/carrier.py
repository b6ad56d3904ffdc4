"""The file that QEMU boots in place of a kernel that it would refuse or start in another way (`--load`).

QEMU boots this file, the carrier, via PVH, and loads the kernel's segments as data (`-device loader`). The carrier has
one instruction: a jump to the kernel's PVH entry. It changes no register, so the kernel finds the state that PVH
defines.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from pvhdbg.abi.alignment import align_up
from pvhdbg.errors import GuestError
from pvhdbg.image.notes import PHYS32_ENTRY, XEN
from pvhdbg.live.system.os_errors import os_errors_as_machine_errors

if TYPE_CHECKING:
    from pathlib import Path

    from pvhdbg.image.facts import ImageFacts

NAME = "carrier.elf"
_LOWEST, _PAGE, _JUMP_SIZE = 1 << 20, 1 << 12, 5
_EHDR, _PHDR = struct.Struct("<16sHHIIIIIHHHHHH"), struct.Struct("<8I")
_EM_386, _PT_LOAD, _PT_NOTE = 3, 1, 4


def write(folder: Path, facts: ImageFacts, memory: int | None) -> str:
    """Write the carrier for a kernel, and return its path. `memory` is the size of the guest's RAM, None if unknown.

    :raise GuestError: if there is no room for it beside the kernel, or the kernel has no PVH entry.
    :raise MachineError: if it cannot be written.
    """
    if facts.entry is None:
        raise GuestError(f"{facts.path}: no PVH entry to jump to", "see `pvhdbg inspect` for the notes of the file")
    path = folder / NAME
    content = carrier(_free_page(facts, memory), facts.entry)
    with os_errors_as_machine_errors(f"can't write {path}"):
        path.write_bytes(content)
    return str(path)


def carrier(paddr: int, entry: int) -> bytes:
    """Return a 32-bit ELF file with a jump at `paddr`, its PVH entry, to `entry`."""
    code = b"\xe9" + ((entry - paddr - _JUMP_SIZE) & 0xFFFFFFFF).to_bytes(4, "little")
    note = struct.pack("<III4sI", len(XEN), 4, PHYS32_ENTRY, XEN, paddr)
    start = _EHDR.size + 2 * _PHDR.size
    ident = b"\x7fELF\1\1\1".ljust(16, b"\0")
    header = _EHDR.pack(ident, 2, _EM_386, 1, paddr, _EHDR.size, 0, 0, _EHDR.size, _PHDR.size, 2, 0, 0, 0)
    return b"".join(
        (
            header,
            _PHDR.pack(_PT_LOAD, start + len(note), paddr, paddr, len(code), len(code), 5, 4),
            _PHDR.pack(_PT_NOTE, start, 0, 0, len(note), len(note), 4, 4),
            note,
            code,
        )
    )


def _free_page(facts: ImageFacts, memory: int | None) -> int:
    """Return the lowest page from 1 MiB up that none of the kernel's segments touches."""
    paddr = _LOWEST
    for segment in sorted(facts.segments, key=lambda segment: segment.paddr):
        if segment.paddr < paddr + _PAGE and segment.end > paddr:
            paddr = align_up(segment.end, _PAGE)
    if paddr + _PAGE > min(memory or 1 << 32, 1 << 32):
        raise GuestError(f"{facts.path}: no room for a jump beside the kernel", "give the guest more memory with -m")
    return paddr
