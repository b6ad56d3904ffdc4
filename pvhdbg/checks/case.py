"""What a rule may ask: one stop, those before it, and what is known beside them. No target."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from pvhdbg.abi.start_info import MAGIC
from pvhdbg.boot.model.difference import Mismatch, mismatches
from pvhdbg.boot.model.expected import ExpectedBootParams, expected_boot_params
from pvhdbg.boot.model.kernel_behavior import KernelBehavior, behavior_at, kernel_behavior
from pvhdbg.boot.model.predicted import PredictedDeath
from pvhdbg.boot.record.document import MachineFacts
from pvhdbg.boot.stop import ranges, regions
from pvhdbg.boot.stop.capture import Capture
from pvhdbg.boot.stop.map_entries import decode_entries, ram_ranges
from pvhdbg.checks.finding import ERROR, WARNING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pvhdbg.abi.boot_params import BootParams
    from pvhdbg.abi.start_info import StartInfo
    from pvhdbg.boot.record.document import Outcome
    from pvhdbg.boot.stop.capture import MapRecord, Module
    from pvhdbg.boot.stop.map_entries import MapEntry
    from pvhdbg.boot.stop.ranges import AddressRange
    from pvhdbg.boot.stop.regions import Region
    from pvhdbg.image.facts import ImageFacts
    from pvhdbg.image.verdict import Verdict

GIVEN = ("entry", "prepare")
"""Where a stop shows what was handed over before the kernel has made anything of it."""

# Owner and number of the ELF note.
_GUEST_OS = ("Xen", 6)
_LINUX_FUNCTION = "xen_prepare_pvh"


class Case:
    """One stop, never changed. `earlier` are the stops before it, oldest first; `outcome` is how the run ended, null
    while it goes on. `symbols` is what any stop, also a later one, recorded of the image.
    """

    def __init__(
        self,
        seen: Capture,
        earlier: Sequence[Capture] = (),
        image: ImageFacts | None = None,
        machine: MachineFacts | None = None,
        outcome: Outcome | None = None,
        symbols: Mapping[str, int] | None = None,
    ) -> None:
        self.seen = seen
        self.earlier = tuple(earlier)
        self.image = image
        self.machine = machine or MachineFacts()
        self.outcome = outcome
        self.symbols = recorded(self.history) if symbols is None else symbols

    @cached_property
    def history(self) -> tuple[Capture, ...]:
        return (*self.earlier, self.seen)

    @property
    def is_entry(self) -> bool:
        """Whether nothing of the guest has run yet: who steps on from the entry has not come to another stage."""
        entry = self.image.entry if self.image else None
        return self.seen.stage == "entry" and entry in (None, self.seen.registers.get("rip"))

    def at_stage(self, name: str) -> Capture | None:
        """The last stop at that stage."""
        return next((each for each in reversed(self.history) if each.stage == name), None)

    @cached_property
    def given(self) -> Capture | None:
        """The last stop that shows what was handed over."""
        shown = [each for each in self.history if each.effective_start_info is not None]
        before = [each for each in shown if each.stage in GIVEN]
        return next(reversed(before or shown), None)

    @property
    def info(self) -> StartInfo | None:
        """The start_info that this stop shows: the kernel's copy as soon as there is one."""
        return self.seen.effective_start_info

    @property
    def modules(self) -> tuple[Module, ...]:
        """The modules that this stop shows. Without the magic, nothing says that it leads to any."""
        return self.seen.modules or () if self.info and self.info.magic == MAGIC else ()

    def path(self, field: str) -> str:
        """A field of that start_info, as a path of the document."""
        return f"{'pvh_start_info' if self.seen.pvh_start_info else 'start_info'}.{field}"

    def place(self, field: str) -> int | None:
        """The physical address of a field of that start_info."""
        info = self.info
        return None if info is None else info.address_of(info.field(field))

    @cached_property
    def is_linux(self) -> bool:
        """Whether the guest goes Linux's way, as the teaching guest does too."""
        named = self.image is not None and self.image.kind in ("vmlinux", "bzimage")
        return named or _LINUX_FUNCTION in self.symbols

    @property
    def fatal(self) -> str:
        """The severity of what kills a Linux, or makes it lose something: of any other guest it is not known."""
        return ERROR if self.is_linux else WARNING

    @cached_property
    def guest_os(self) -> str:
        """What the image calls itself in Xen's GUEST_OS note; the empty string where it does not."""
        notes = self.image.notes if self.image else ()
        found = (each.desc for each in notes if (each.owner, each.type) == _GUEST_OS)
        return next(found, b"").partition(b"\0")[0].decode("latin-1")

    @cached_property
    def verdicts(self) -> tuple[Verdict, ...]:
        """What preflight had to say about the image."""
        return self.image.verdicts if self.image else ()

    @cached_property
    def append(self) -> str | None:
        """The command line that QEMU was given."""
        return _option(self.machine, "-append", self.machine.append)

    @cached_property
    def initrd(self) -> str | None:
        """The ramdisk's file that QEMU was given."""
        return _option(self.machine, "-initrd", self.machine.initrd)

    @cached_property
    def memory(self) -> str | None:
        """The size of the machine's memory, as QEMU was given it."""
        return _option(self.machine, "-m", self.machine.memory)

    @cached_property
    def rules(self) -> KernelBehavior:
        """The kernel's rules, as far as the stops have recorded them."""
        xen = _shows_xen(self.machine)
        if self.image is None:
            return kernel_behavior({}, e820_name=None, xen=xen)
        return behavior_at(self.seen._replace(symbols=self.symbols), self.image, xen=xen)

    @cached_property
    def expected(self) -> ExpectedBootParams | None:
        """What the kernel should make of what it was given."""
        if self.given is None:
            return None
        return expected_boot_params(self.given._replace(symbols=self.symbols), self.rules)

    @property
    def made(self) -> BootParams | None:
        """pvh_bootparams when it is complete; a look between two stages shows it half made."""
        return self.seen.boot_params if self.seen.stage == "bootparams" else None

    @cached_property
    def mismatches(self) -> tuple[Mismatch, ...]:
        """Where this stop's boot_params is not what it should be."""
        wanted, params = self.expected, self.made
        if wanted is None or params is None or _agree(wanted, params.raw):
            return ()
        return tuple(mismatches(wanted, params))

    def predicted(self, *fields: str) -> PredictedDeath | None:
        """The death that the model foresees and one of these fields is to blame for."""
        death = self.expected.death if self.expected else None
        return death if death and self.is_linux and death.field in fields else None

    @property
    def map_records(self) -> tuple[MapRecord, ...]:
        """The entries of the handed-over memory map, as C records with their addresses."""
        return self.seen.memory_map.entries if self.seen.memory_map else ()

    @cached_property
    def entries(self) -> tuple[MapEntry, ...]:
        """The map that was handed over, as this stop shows it."""
        return decode_entries(self.map_records)

    @cached_property
    def ram(self) -> list[AddressRange]:
        """What that map lists as RAM, and as nothing else."""
        return ram_ranges(self.entries)

    @cached_property
    def listed(self) -> list[AddressRange]:
        """What it lists at all."""
        return ranges.union((each.addr, each.end) for each in self.entries)

    @cached_property
    def structures(self) -> tuple[Region, ...]:
        """What was handed over, but for the modules themselves; an "e820 data" map is one."""
        found = regions.structures(self.seen._replace(modules=self.modules))
        is_module = self.seen.memory_map is not None and self.seen.memory_map.is_module
        return tuple(each for each in found if not (is_module and each.name == regions.MEMORY_MAP))

    @cached_property
    def loads(self) -> tuple[Region, ...]:
        """The kernel and the modules; empty modules are nowhere."""
        loads = (*regions.kernel(self.image), *regions.modules(self.modules))
        return tuple(each for each in loads if each.start < each.end)


def _agree(wanted: ExpectedBootParams, raw: bytes) -> bool:
    """Whether every byte that is known is so: asked first, because it takes no time."""
    mask, should, does = (int.from_bytes(each, "little") for each in (wanted.known, wanted.boot_params, raw))
    chosen = all(raw[at : at + len(values[0])] in values for at, values in wanted.alternatives.items())
    return chosen and should & mask == does & mask


def recorded(stops: Iterable[Capture]) -> dict[str, int]:
    """Every symbol that the stops have recorded."""
    return {name: address for each in stops for name, address in each.symbols.items()}


def _option(machine: MachineFacts, name: str, ours: str | None) -> str | None:
    """An option's value: the user's own arguments come last, and the last one counts."""
    words = machine.argv
    given = (value for each, value in zip(words[-2::-1], words[:0:-1], strict=True) if each == name)
    return next(given, ours)


def _shows_xen(machine: MachineFacts) -> bool | None:
    """Whether CPUID shows Xen's leaves: QEMU's KVM does where it is told to, its TCG never."""
    if "xen-version=" in (_option(machine, "-accel", None) or ""):
        return True
    return False if machine.accel in ("tcg", "kvm") else None
