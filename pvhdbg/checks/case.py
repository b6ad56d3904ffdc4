"""The input of a rule: one stop, the stops before it, and facts about the kernel and the machine. It has no target."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from pvhdbg.abi import firmware_tables
from pvhdbg.abi.cpu import EFER_SVME
from pvhdbg.abi.setup_header import LOADER_XEN
from pvhdbg.abi.start_info import MAGIC
from pvhdbg.boot.model.difference import Mismatch, mismatches
from pvhdbg.boot.model.expected import ExpectedBootParams, expected_boot_params
from pvhdbg.boot.model.kernel_behavior import KernelBehavior, behavior_at, kernel_behavior
from pvhdbg.boot.model.predicted import PredictedDeath
from pvhdbg.boot.record.document import MachineFacts, ram_size
from pvhdbg.boot.stop import ranges, regions, stages
from pvhdbg.boot.stop.capture import MISSING_STAGE, Capture
from pvhdbg.boot.stop.map_entries import decode_entries, ram_ranges
from pvhdbg.checks.finding import ERROR, WARNING
from pvhdbg.guest_profiles import table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pvhdbg.abi.boot_params import BootParams
    from pvhdbg.abi.e820 import MapEntry
    from pvhdbg.abi.firmware_tables import FoundTable
    from pvhdbg.abi.start_info import StartInfo
    from pvhdbg.boot.record.document import Outcome
    from pvhdbg.boot.stop.capture import MapRecord, Module
    from pvhdbg.boot.stop.ranges import AddressRange
    from pvhdbg.boot.stop.regions import Region
    from pvhdbg.boot.stop.stop import Stop
    from pvhdbg.guest_profiles.profile import GuestProfile
    from pvhdbg.image.verdicts.verdict import Verdict

BOOT_DATA_STAGES = ("entry", "prepare")
"""The stages at which the kernel has not yet changed the boot data."""

NO_MEMORY = "no memory"
BELOW_EVERY_HOLE = 2 << 30
"""QEMU's machines have their memory below this address in one piece, except below 1 MiB."""
_OTHER_PROTOCOLS = ("multiboot", "linux-protocol")
"""The verdicts of the pre-start check on a file that QEMU does not start via PVH."""


class Case:
    """A stop and everything else that a rule may need to judge it. A case never changes.

    `outcome` is how the run ended, or None if it has not ended. `symbols` are the image's symbols that any stop of the
    run recorded, even a later stop.
    """

    def __init__(
        self,
        stop: Stop,
        machine: MachineFacts | None = None,
        outcome: Outcome | None = None,
        symbols: Mapping[str, int] | None = None,
    ) -> None:
        self.stop = stop
        self.capture, self.earlier, self.image = stop
        self.history = stop.history
        self.machine = machine or MachineFacts()
        self.outcome = outcome
        self.symbols = symbols_of(self.history) if symbols is None else symbols

    @property
    def is_entry(self) -> bool:
        """Whether no instruction of the guest has run yet: after a single step, the stage is still `entry`."""
        entry = self.image.entry if self.image else None
        return self.capture.stage == "entry" and entry in (None, self.capture.registers.get("rip"))

    def is_at(self, stage: str) -> bool:
        """Return whether the machine is exactly at a stage. After it, the kernel may have changed the data."""
        return self.capture.stage == stage and MISSING_STAGE not in self.capture.missing

    def last_stop_at(self, stage: str) -> Capture | None:
        return next((stop for stop in reversed(self.history) if stop.stage == stage), None)

    @cached_property
    def boot_data_stop(self) -> Capture | None:
        """The last stop that shows the boot data, if possible before the kernel could change it."""
        stops = [stop for stop in self.history if stop.effective_start_info is not None]
        unchanged = [stop for stop in stops if stop.stage in BOOT_DATA_STAGES]
        return next(reversed(unchanged or stops), None)

    @property
    def start_info(self) -> StartInfo | None:
        """The start_info at this stop: the kernel's copy, pvh_start_info, once the kernel has made it."""
        return self.capture.effective_start_info

    @property
    def valid_start_info(self) -> StartInfo | None:
        """`start_info`, or None if its magic is wrong, because its other fields then mean nothing."""
        return self.start_info if self.start_info and self.start_info.magic == MAGIC else None

    @property
    def modules(self) -> tuple[Module, ...]:
        """The modules at this stop; no modules if start_info's magic is wrong, or if no memory is at their list."""
        return self.capture.modules or () if self.valid_start_info and not self.module_list_is_absent else ()

    @cached_property
    def module_list_is_absent(self) -> bool:
        """Whether the machine has no memory at the module list."""
        modules = self.capture.modules or ()
        return bool(modules) and self._is_absent(modules[0].entry.at, (module.entry.raw for module in modules))

    @cached_property
    def map_is_absent(self) -> bool:
        """Whether the machine has no memory at the memory map."""
        memory_map = self.capture.memory_map
        if memory_map is None or not memory_map.entries:
            return False
        return self._is_absent(memory_map.entries[0].at, (record.raw for record in memory_map.entries))

    def _is_absent(self, start: int | None, read: Iterable[bytes]) -> bool:
        """Return whether these bytes are only the zeros that QEMU returns for an address without memory.

        QEMU's machines have no memory between the end of their RAM and the highest place of their first hole.
        """
        size = ram_size(self.memory)
        return start is not None and size is not None and size <= start < BELOW_EVERY_HOLE and not any(map(any, read))

    def path_of(self, field: str) -> str:
        """Return the path of a field of `start_info` in the document."""
        return f"{'pvh_start_info' if self.capture.pvh_start_info else 'start_info'}.{field}"

    def address_of(self, field: str) -> int | None:
        """Return the physical address of a field of `start_info`."""
        info = self.start_info
        return None if info is None else info.address_of(info.field(field))

    @cached_property
    def guest(self) -> GuestProfile:
        """What pvhdbg knows about this guest, also if a recording does not name its profile."""
        if self.image is None:
            return table.recognize((), self.symbols, 64)
        if self.image.guest or self.image.is_linux:
            return self.image.profile
        return table.recognize(self.image.notes, self.symbols, self.image.elf_class)

    @property
    def is_linux(self) -> bool:
        """Whether the guest boots like Linux. The teaching guest counts as Linux."""
        return self.guest.boots_like_linux

    @property
    def is_another_guest(self) -> bool:
        """Whether pvhdbg knows this guest, and it is not Linux."""
        return not self.is_linux and self.guest is not table.OTHER

    @property
    def fatal_severity(self) -> str:
        """The severity of a defect that makes Linux crash or lose something: an error in Linux, else a warning."""
        return ERROR if self.is_linux else WARNING

    @cached_property
    def verdicts(self) -> tuple[Verdict, ...]:
        """Preflight's verdicts on the image."""
        return self.image.verdicts if self.image else ()

    @property
    def is_entered_otherwise(self) -> bool:
        """Whether QEMU started the guest via multiboot or the Linux boot protocol: EBX then has no start_info."""
        is_other = any(verdict.slug in _OTHER_PROTOCOLS for verdict in self.verdicts)
        return is_other and self.valid_start_info is None

    @cached_property
    def append(self) -> str | None:
        """The guest's command line: the value of QEMU's -append."""
        return self._option("-append", self.machine.append)

    @cached_property
    def initrd(self) -> str | None:
        """The guest's initrd: the value of QEMU's -initrd."""
        return self._option("-initrd", self.machine.initrd)

    def _option(self, name: str, otherwise: str | None) -> str | None:
        """Return the value of a QEMU option about the guest. With --xen, QEMU's options are about Xen."""
        return otherwise if self.machine.xen is not None else _option(self.machine, name, otherwise)

    @cached_property
    def memory(self) -> str | None:
        """The guest's memory: the value of QEMU's -m. With --xen, Xen divides the memory, so this is None."""
        return None if self.machine.xen is not None else _option(self.machine, "-m", self.machine.memory)

    @cached_property
    def is_on_xen(self) -> bool:
        """Whether the guest runs on a real Xen: pvhdbg started it so (--xen), or attached to such a machine."""
        is_ours = bool(self.machine.argv)
        return self.machine.xen is not None or (not is_ours and any(map(_is_on_xen, self.history)))

    @property
    def lacks_xen(self) -> bool:
        """Whether the guest has Xen's handover, which `--vmm` made, but does not run on Xen."""
        return self.machine.vmm is not None and self.machine.vmm.name.startswith("xen-") and not self.is_on_xen

    @cached_property
    def kernel_behavior(self) -> KernelBehavior:
        """How this kernel behaves, as far as the stops show."""
        xen = True if self.is_on_xen else _shows_xen(self.machine)
        if self.image is None:
            return kernel_behavior({}, e820_name=None, xen=xen)
        return behavior_at(self.capture._replace(symbols=self.symbols), self.image, xen=xen)

    @cached_property
    def expected(self) -> ExpectedBootParams | None:
        """The boot_params that the model expects from the boot data, or None if no stop shows that data."""
        if self.boot_data_stop is None:
            return None
        asked = next((stop.hypercall for stop in self.history if stop.hypercall), None)
        boot_data = self.boot_data_stop._replace(symbols=self.symbols, hypercall=asked)
        return expected_boot_params(boot_data, self.kernel_behavior)

    @property
    def pvh_bootparams(self) -> BootParams | None:
        """pvh_bootparams at the stage bootparams, where it is complete; None at other stops, where it may not be."""
        return self.capture.boot_params if self.is_at("bootparams") else None

    @cached_property
    def mismatches(self) -> tuple[Mismatch, ...]:
        """The fields of this stop's pvh_bootparams that differ from what the model expects."""
        expected, actual = self.expected, self.pvh_bootparams
        if expected is None or actual is None or _matches(expected, actual.raw):
            return ()
        return tuple(mismatches(expected, actual))

    @property
    def predicted_death(self) -> PredictedDeath | None:
        """The death that the model predicts for this boot data."""
        return self.expected.death if self.expected else None

    def death_blamed_on(self, *fields: str) -> PredictedDeath | None:
        """Return the predicted death if the model blames it on one of these fields and the guest is Linux."""
        death = self.predicted_death
        return death if death and self.is_linux and death.field in fields else None

    @property
    def map_records(self) -> tuple[MapRecord, ...]:
        """The entries of the VMM's memory map, as C records with their addresses; none if no memory is there."""
        return self.capture.memory_map.entries if self.capture.memory_map and not self.map_is_absent else ()

    @cached_property
    def map_entries(self) -> tuple[MapEntry, ...]:
        """The entries of the VMM's memory map, decoded."""
        return decode_entries(self.map_records)

    @cached_property
    def ram(self) -> list[AddressRange]:
        """The ranges that the map lists as RAM and not also as another type."""
        return ram_ranges(self.map_entries)

    @cached_property
    def listed_memory(self) -> list[AddressRange]:
        """The ranges that the map lists, of any type."""
        return ranges.union((entry.addr, entry.end) for entry in self.map_entries)

    @cached_property
    def structures(self) -> tuple[Region, ...]:
        """The structures that the VMM passed. Modules, including an "e820 data" map, are in `loaded_regions`."""
        structures = regions.structures(self.capture._replace(modules=self.modules))
        is_module = self.capture.memory_map is not None and self.capture.memory_map.is_module
        return tuple(region for region in structures if not (is_module and region.name == regions.MEMORY_MAP))

    @cached_property
    def firmware_tables(self) -> tuple[FoundTable, ...]:
        """The firmware's tables that were read at the entry."""
        stop = self.last_stop_at("entry")
        segment = stop.bytes_at(firmware_tables.EBDA_SEGMENT, 2) if stop else None
        searched = firmware_tables.search_ranges(segment)
        parts = [
            (max(paddr, low), data[max(low - paddr, 0) : max(high - paddr, 0)])
            for low, high in ranges.union(searched)
            for paddr, data in (stop.memory if stop else ())
        ]
        return tuple(table for start, data in parts for table in firmware_tables.find(data, start))

    @cached_property
    def loaded_regions(self) -> tuple[Region, ...]:
        """The kernel and the modules that are not empty."""
        loaded = (*regions.kernel(self.image), *regions.modules(self.modules))
        return tuple(region for region in loaded if region.start < region.end)


def _matches(expected: ExpectedBootParams, raw: bytes) -> bool:
    """Return whether every known byte is as expected. Comparing field by field would be slow."""
    mask, should, does = (int.from_bytes(it, "little") for it in (expected.known, expected.boot_params, raw))
    has_alternative = all(raw[at : at + len(values[0])] in values for at, values in expected.alternatives.items())
    return has_alternative and should & mask == does & mask


def symbols_of(stops: Iterable[Capture]) -> dict[str, int]:
    """Return every symbol that the stops recorded."""
    return {name: address for stop in stops for name, address in stop.symbols.items()}


def _option(machine: MachineFacts, name: str, default: str | None) -> str | None:
    """Return the last value of an option in QEMU's argv, where the user's own arguments come last, or `default`."""
    words = machine.argv
    values = (value for word, value in zip(words[-2::-1], words[:0:-1], strict=True) if word == name)
    return next(values, default)


def _is_on_xen(stop: Capture) -> bool:
    """Return whether a stop shows that Xen uses SVM. Linux itself may use it too, but not during its PVH boot."""
    params = stop.kernel_boot_params or stop.boot_params
    is_xens = stop.stage in stages.NAMES or (params is not None and params.hdr.type_of_loader == LOADER_XEN)
    return is_xens and bool((stop.registers.get("efer") or 0) & EFER_SVME)


def _shows_xen(machine: MachineFacts) -> bool | None:
    """Return whether CPUID has Xen's leaves, or None if unknown: under KVM with xen-version= yes, else never."""
    if "xen-version=" in (_option(machine, "-accel", None) or ""):
        return True
    return False if machine.accel in ("tcg", "kvm") else None
