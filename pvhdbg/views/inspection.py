"""What `pvhdbg inspect` tells of: a kernel file, what each loader makes of it, and which stages it will have."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from pvhdbg.boot.stop import stages

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pvhdbg.image.facts import ImageFacts
    from pvhdbg.image.multiboot import Multiboot
    from pvhdbg.image.notes import Scan
    from pvhdbg.image.preflight import Preflight

SYMBOLS = {
    "pvh_start_info": "the kernel's copy of start_info, read from prepare on",
    "pvh_bootparams": "what PVH makes of it, read at bootparams",
    "boot_params": "the kernel's copy of that, read at kernel and e820",
    "e820_table": "the pointer to the kernel's memory map, read at e820",
}
"""Beside the stages' own: what is read there, and when."""

STAGE_SYMBOLS = tuple(dict.fromkeys(each.symbol for each in stages.STAGES if each.symbol)) + tuple(SYMBOLS)

OPTIONS = {
    "CONFIG_PVH": "the PVH entry",
    "CONFIG_XEN_PVH": "PVH under Xen",
    "CONFIG_HYPERVISOR_GUEST": "runs as a guest at all",
    "CONFIG_KVM_GUEST": "knows KVM",
    "CONFIG_XEN": "knows Xen",
    "CONFIG_ACPI": "reads ACPI's tables",
    "CONFIG_BLK_DEV_INITRD": "takes a ramdisk",
    "CONFIG_SERIAL_8250_CONSOLE": "console=ttyS0",
    "CONFIG_EARLY_PRINTK": "earlyprintk=",
    "CONFIG_RANDOMIZE_BASE": "KASLR, which a PVH boot skips",
    "CONFIG_X86_5LEVEL": "5-level paging",
    "CONFIG_X86_PAE": "64-bit page table entries in a 32-bit kernel",
    "CONFIG_NODES_SHIFT": "NUMA nodes, as a power of two: e820_table's room grows with it",
    "CONFIG_CMDLINE": "built-in command line",
}
"""What of a kernel's configuration matters to its boot."""

ProgramHeader = tuple[str, int, int, int, int, int, str, int]
"""Type, offset, vaddr, paddr, filesz, memsz, flags of R, W and E, align."""
SectionHeader = tuple[str, str, int, int, int, str, int]
"""Name, type, addr, offset, size, flags of W, A and X, align."""


class Details(Protocol):
    """What an ELF's headers say besides ImageFacts: image.elf.Inspection, which not every Python can import."""

    # fmt: off
    @property
    def type(self) -> str: ...
    @property
    def machine(self) -> str: ...
    @property
    def entry(self) -> int: ...
    @property
    def program_headers(self) -> Sequence[ProgramHeader]: ...
    @property
    def sections(self) -> Sequence[SectionHeader]: ...
    @property
    def symbols(self) -> int | None: ...
    @property
    def has_debug_info(self) -> bool: ...
    @property
    def compiler(self) -> str | None: ...
    @property
    def config(self) -> Mapping[str, str] | None: ...
    @property
    def multiboot1(self) -> Multiboot | None: ...
    @property
    def multiboot2(self) -> Multiboot | None: ...
    @property
    def scans(self) -> Sequence[Scan]: ...
    # fmt: on


class Inspected(NamedTuple):
    """A file, looked at. `addresses` has those of STAGE_SYMBOLS that its symbol table has."""

    facts: ImageFacts
    details: Details
    preflight: Preflight
    addresses: Mapping[str, int]
