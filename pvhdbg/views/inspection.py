"""What `pvhdbg inspect` reports: a kernel file, the entry that each loader finds in it, and the stages of its boot."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

from pvhdbg.boot.stop import stages
from pvhdbg.named_tuple import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pvhdbg.image.facts import ImageFacts
    from pvhdbg.image.multiboot import Multiboot
    from pvhdbg.image.notes import Scan
    from pvhdbg.image.preflight import Preflight
    from pvhdbg.image.vmm_loaders.prediction import Prediction


def stage_symbols(facts: ImageFacts) -> tuple[str, ...]:
    """Return the names of the functions and variables of this guest that make up its stages."""
    functions = dict.fromkeys(stage.symbol for stage in stages.of(facts) if stage.symbol)
    return (*functions, *(variable.symbol for variable in facts.profile.variables))


OPTIONS = {
    "CONFIG_PVH": "the PVH entry",
    "CONFIG_XEN_PVH": "PVH under Xen",
    "CONFIG_HYPERVISOR_GUEST": "guest support in general",
    "CONFIG_KVM_GUEST": "KVM guest support",
    "CONFIG_XEN": "Xen guest support",
    "CONFIG_ACPI": "ACPI",
    "CONFIG_BLK_DEV_INITRD": "initrd support",
    "CONFIG_SERIAL_8250_CONSOLE": "console=ttyS0",
    "CONFIG_EARLY_PRINTK": "earlyprintk=",
    "CONFIG_RANDOMIZE_BASE": "KASLR, which does not happen in a PVH boot",
    "CONFIG_X86_5LEVEL": "5-level paging",
    "CONFIG_X86_PAE": "PAE: 64-bit page table entries in a 32-bit kernel",
    "CONFIG_NODES_SHIFT": "log2 of the maximum number of NUMA nodes; the size of e820_table depends on it",
    "CONFIG_CMDLINE": "a command line that is built into the kernel",
}
"""The options of a kernel's configuration that matter for a PVH boot."""

ITSELF = {
    "bzimage": {
        "QEMU": "boots it via the Linux boot protocol, not via PVH",
        "Xen": "unpacks it, and enters the vmlinux inside via PVH",
        "Firecracker": "refuses it (Invalid Elf magic number); newer ones (from July 2026) boot it, but not via PVH",
        "Cloud Hypervisor": "refuses it up to version 38; newer ones boot it, but not via PVH",
    },
    "compressed": {
        "QEMU": "refuses it (invalid kernel header)",
        "Firecracker": "refuses it (Invalid Elf magic number)",
        "Cloud Hypervisor": "refuses it",
    },
}
"""What each VMM does with a file that is not an ELF file itself. pvhdbg unpacks it.

Source: QEMU hw/i386/x86.c; Xen tools/libs/guest/xg_dom_bzimageloader.c; mvm issue 2594; firecracker pull request 6037;
cloud-hypervisor pull request 6200.
"""


class GuestChange(Protocol):
    """A changed function, variable or note of a teaching guest; live.instructions.guest_changes.Change is one."""

    # fmt: off
    @property
    def name(self) -> str: ...
    @property
    def what(self) -> str: ...
    @property
    def source(self) -> str | None: ...
    @property
    def before(self) -> int: ...
    @property
    def after(self) -> int: ...
    # fmt: on


class GuestChanges(Protocol):
    """What was changed in a copy of the teaching guest; `problem` says why it is not known, or is None."""

    # fmt: off
    @property
    def changes(self) -> Sequence[GuestChange]: ...
    @property
    def problem(self) -> str | None: ...
    # fmt: on


ProgramHeader = tuple[str, int, int, int, int, int, str, int]
"""Type, offset, vaddr, paddr, filesz, memsz, flags (R, W, E), align."""
SectionHeader = tuple[str, str, int, int, int, str, int]
"""Name, type, addr, offset, size, flags (W, A, X), align."""


class Details(Protocol):
    """What pvhdbg reads from an ELF file in addition to ImageFacts.

    image.elf.Inspection implements it. That module needs pyelftools, which gdb's Python may not have.
    """

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


class InspectedFile(NamedTuple):
    """Everything that `inspect` reports. `addresses` has the addresses of the stage_symbols that the file defines.

    If the file exceeds the limits of `inspect`, `missing` has a remark for each part that was not read completely, with
    the path of the part in the JSON as the key. `vmms` has what each VMM's own loader does with the ELF file.
    `guest_changes` is None if the file is not a copy of the teaching guest.
    """

    facts: ImageFacts
    details: Details
    preflight: Preflight
    addresses: Mapping[str, int]
    missing: Mapping[str, str] = MappingProxyType({})
    vmms: Sequence[Prediction] = ()
    guest_changes: GuestChanges | None = None

    @property
    def variables(self) -> Mapping[str, str]:
        """The guest's variables that pvhdbg reads, and when."""
        return {variable.symbol: variable.about for variable in self.facts.profile.variables}

    @property
    def itself(self) -> Mapping[str, str]:
        """What each VMM does with the user's file, if that is not an ELF file; otherwise empty."""
        if not self.facts.is_unpacked:
            return {}
        return ITSELF["bzimage" if self.facts.kind == "bzimage" else "compressed"]
