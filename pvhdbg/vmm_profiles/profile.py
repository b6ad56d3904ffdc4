"""The types of a VMM's profile: what the VMM places where, and the CPU state at the entry."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from pvhdbg.abi.e820 import MapEntry
from pvhdbg.vmm_profiles.cpu_state import CpuState


class Boot(NamedTuple):
    """What a VMM is asked to boot. Sizes are in bytes; `cmdline_size` includes the NUL.

    `kernel_end` is the address after the last byte of the kernel's segments. `initrd_size` is None without an initrd.
    """

    ram_size: int
    cmdline_size: int
    initrd_size: int | None
    kernel_end: int


class Places(NamedTuple):
    """The physical addresses of what the VMM writes, for one boot.

    `memmap` is None if the VMM passes no map, `initrd` without an initrd, and `rsdp` if the VMM has no ACPI tables.
    `tables` is where the other ACPI tables begin.
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
    NUL; a longer one is refused. `rsdp_paddr` is whether start_info has the address of the RSDP. `tables` are constant
    bytes, such as the GDT. `empty_cmdline` is whether an empty command line is passed too.
    """

    version: int
    flags: int
    map_form: str
    places: Callable[[Boot], Places]
    memory_map: Callable[[Boot], tuple[MapEntry, ...]]
    cmdline_room: int
    rsdp_paddr: bool
    cpu: CpuState
    tables: tuple[Placed, ...] = ()
    empty_cmdline: bool = True


class Profile(NamedTuple):
    """A VMM. `version` and `commit` say which source was read; `facts` are its statements.

    `layout` is None if pvhdbg changes nothing at the entry. `differs` is what a guest can notice that pvhdbg does not
    reproduce, in addition to DIFFERS.
    """

    name: str
    title: str
    version: str
    commit: str
    facts: tuple[Fact, ...]
    layout: Layout | None
    differs: tuple[str, ...] = ()


DIFFERS = (
    "the devices, their registers in memory and the interrupt controllers are QEMU's microvm",
    "CPUID and the MSRs are QEMU's; no hypervisor but QEMU's TCG is found in CPUID",
    "the ACPI tables are QEMU's, moved to where the VMM puts its own",
    "TR has no busy bit: QEMU's TCG clears it in the hidden state",
)
"""What no profile reproduces."""
CR0_ET = "CR0.ET is 1 under QEMU's TCG, whatever the VMM sets"
