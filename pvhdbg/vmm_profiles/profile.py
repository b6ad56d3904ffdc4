"""The types of a VMM's profile: what the VMM places where, the CPU state at the entry, and how it loads a kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi.e820 import MapEntry
from pvhdbg.named_tuple import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from pvhdbg.vmm_profiles.cpu_state import CpuState

REFUSES = "it refuses the file"
NOT_PVH = "it boots the file via the Linux boot protocol, not via PVH"
QEMU, XEN, LINUX_LOADER, ALIOTH, GOKVM, OPENVMM = "QEMU", "Xen", "linux-loader", "alioth", "gokvm", "openvmm"
"""The searches for the PVH note: pvhdbg.image.vmm_loaders.note_search has a function for each."""


class Boot(NamedTuple):
    """What a VMM is asked to boot. Sizes are in bytes; `cmdline_size` includes the NUL.

    `initrd_size` is None without an initrd. `kernel` is from the first to the last byte of the kernel's segments.
    `elf_class` is 32 or 64. `maps_initrd` is false if the note MOD_START_PFN says that the kernel does not need it in
    Xen's first page tables: then Xen loads it last.
    """

    ram_size: int
    cmdline_size: int
    initrd_size: int | None
    kernel: tuple[int, int] = (1 << 24, 1 << 25)
    elf_class: int = 64
    maps_initrd: bool = False


class Places(NamedTuple):
    """The physical addresses of what the VMM writes, for one boot.

    `memmap` is None if the VMM passes no map, and `initrd` without an initrd. `rsdp` and `tables` are where the RSDP
    and the other ACPI tables are; None if the VMM has none.
    """

    start_info: int
    modlist: int
    memmap: int | None
    cmdline: int
    initrd: int | None
    rsdp: int | None
    tables: int | None


class Placed(NamedTuple):
    """Bytes at a physical address. `name` says what they are."""

    name: str
    paddr: int
    data: bytes


class Fact(NamedTuple):
    """A statement about the VMM, with the file of its source that says so."""

    text: str
    source: str


class Layout(NamedTuple):
    """What the VMM hands over. `places` and `memory_map` compute from a Boot what depends on it.

    `map_form` is MEMMAP, E820_MODULE or NO_MAP. `cmdline_room` is how many bytes the command line may have, with its
    NUL; a longer one is refused, and None is no limit. `rsdp_paddr` is the field of start_info. `tables` are constant
    bytes, such as the GDT.
    `has_cmdline` returns whether the VMM writes the command line; `points_to_cmdline` whether start_info has its
    address.
    """

    version: int
    flags: int
    map_form: str
    places: Callable[[Boot], Places]
    memory_map: Callable[[Boot], tuple[MapEntry, ...]]
    cmdline_room: int | None
    rsdp_paddr: int
    cpu: CpuState
    tables: tuple[Placed, ...] = ()
    has_cmdline: Callable[[Boot], bool] = lambda _: True
    points_to_cmdline: Callable[[Boot], bool] = lambda _: True


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


class Profile(NamedTuple):
    """A VMM. `version` and `commit` say which source was read, of which `repository`; `facts` are its statements.

    `layout` is None if pvhdbg changes nothing at the entry. `differs` is what a guest can notice that pvhdbg does not
    reproduce, in addition to what `differences` adds for each profile. `loader` is how the VMM loads a kernel file;
    None for QEMU, whose loader is run.
    """

    name: str
    title: str
    version: str
    commit: str
    repository: str
    facts: tuple[Fact, ...]
    layout: Layout | None
    differs: tuple[str, ...] = ()
    loader: Loader | None = None

    @property
    def source_version(self) -> str:
        """The version and the start of the commit, such as `1.17.0-dev (81b38b9dad60)`; empty for QEMU."""
        return f"{self.version} ({self.commit[:12]})" if self.commit else self.version

    def differences(self) -> tuple[str, ...]:
        """Return everything that a guest can notice and that pvhdbg does not reproduce."""
        if self.layout is None:
            return ()
        has_acpi = self.layout.places(EXAMPLE).rsdp is not None
        et = () if self.layout.cpu.cr0 & CR0_ET else (_CR0_ET_IS_SET,)
        return (*_DIFFERS, *([_ACPI_IS_QEMUS] if has_acpi else []), *et, *self.differs)


EXAMPLE = Boot(512 << 20, 33, 1 << 20)
"""A boot of a kernel from 16 MiB to 32 MiB with an initrd, for explanations."""
CR0_ET = 1 << 4
_CR0_ET_IS_SET = "CR0.ET is 1, although the VMM leaves it 0: QEMU's TCG always sets it"
_DIFFERS = (
    "the devices, their registers in memory and the interrupt controllers are those of QEMU's microvm",
    "CPUID and the MSRs are QEMU's",
    "just below 4 GiB, where the VMM has nothing, the guest reads what is at 0xff000-0xfffff; what it writes is lost",
    "TR has no busy bit: QEMU's TCG does not set it in the hidden state",
)
_ACPI_IS_QEMUS = "the ACPI tables are QEMU's, moved to where the VMM puts its own"
