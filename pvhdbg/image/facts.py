"""What a kernel file promises, as plain values. Standard library only: this runs inside gdb too."""

from __future__ import annotations

from typing import NamedTuple

EM_386, EM_X86_64 = 3, 62


class Segment(NamedTuple):
    """A PT_LOAD segment: addresses and sizes in bytes as in its program header."""

    paddr: int
    vaddr: int
    filesz: int
    memsz: int
    offset: int = 0

    @property
    def end(self) -> int:
        return self.paddr + self.memsz


class Note(NamedTuple):
    """An ELF note: owner without its NUL, type, and the descriptor's bytes."""

    owner: str
    type: int
    desc: bytes


class ImageFacts(NamedTuple):
    """A kernel image. `entry` is the PHYS32_ENTRY address (Xen note 18), `release` the kernel's own version string.

    `kind` is vmlinux for a Linux ELF, bzimage for one that was unpacked, elf for any other PVH guest.
    `elf` is the ELF file itself: `path`, or what a bzImage was unpacked to.
    """

    path: str
    elf: str
    kind: str
    elf_class: int
    machine: int
    entry: int | None
    build_id: str | None
    release: str | None
    segments: tuple[Segment, ...]
    notes: tuple[Note, ...]

    def physical(self, vaddr: int) -> int | None:
        """The physical address that a link address was loaded to, or null outside every segment."""
        for each in self.segments:
            if each.vaddr <= vaddr < each.vaddr + each.memsz:
                return vaddr - each.vaddr + each.paddr
        return None

    def aliases(self, vaddr: int) -> tuple[int, ...]:
        """Every address at which code linked at `vaddr` may run: the link address, and the physical one."""
        paddr = self.physical(vaddr)
        return (vaddr,) if paddr is None or paddr == vaddr else (vaddr, paddr)
