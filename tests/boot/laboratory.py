"""Boot a real kernel, change its boot data at the entry, and compare the result with the model."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pvhdbg.boot.handover.from_profile import ProfileHandover
from pvhdbg.boot.lab.assignment import parse_assignment
from pvhdbg.boot.model.difference import Mismatch, mismatches
from pvhdbg.boot.model.e820_sanitize import expected_e820_table
from pvhdbg.boot.model.expected import ExpectedBootParams, expected_boot_params
from pvhdbg.boot.model.kernel_behavior import KernelBehavior, behavior_from_symbols
from pvhdbg.boot.run.entry_changes import EntryChanges
from pvhdbg.boot.run.journey import Journey
from pvhdbg.boot.stop.kernel_probe import SymbolsAndStrings, probe
from pvhdbg.boot.stop.map_entries import decode_entries
from pvhdbg.boot.stop.protocols import PROTOCOLS
from pvhdbg.image.load import open_kernel
from pvhdbg.live.debuggee.stub_machine import StubMachine
from pvhdbg.live.qemu.options import QemuOptions
from pvhdbg.target.base import HIT, Halt
from pvhdbg.vmm_profiles import table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from pvhdbg.boot.record.document import Rewrite
    from pvhdbg.boot.stop.capture import Capture

Range = tuple[int, int, int]
"""Address, size and type."""

PATIENCE = 60.0
"""The timeout for one stage, in seconds."""
RAM = 512 << 20
"""The guest's memory in bytes, if QEMU's options do not say otherwise."""
BLANK = 0x60000
"""The address of memory that is free on every machine. Tests can put data there."""


class Experiment(NamedTuple):
    """A boot whose boot data was changed at the entry: what the model expects, the stops by stage, the last halt."""

    behavior: KernelBehavior
    rewrites: tuple[Rewrite, ...]
    expected: ExpectedBootParams
    stops: dict[str, Capture]
    halt: Halt

    @property
    def returned(self) -> bool:
        """Whether xen_prepare_pvh returned."""
        return "bootparams" in self.stops

    @property
    def mismatches(self) -> list[Mismatch]:
        params = self.stops["bootparams"].boot_params
        assert params is not None
        return mismatches(self.expected, params)

    @property
    def tables(self) -> tuple[list[Range] | None, list[Range]]:
        """The e820_table that the model expects (None if the model cannot tell), and that of the kernel."""
        params, table = self.stops["kernel"].kernel_boot_params, self.stops["e820"].e820_table
        assert params is not None
        assert table is not None
        expected = expected_e820_table(params, self.behavior)
        return None if expected is None else list(expected), list(decode_entries(table.entries))

    def deviation(self) -> str | None:
        """Return how the kernel's behavior differs from the model's prediction; None if both agree."""
        death = self.expected.death
        if not self.returned:
            return None if death else f"no death was predicted, but the guest halted: {self.halt}"
        if death and death.certain:
            return f"xen_prepare_pvh returned despite a predicted death: {death}"
        if self.mismatches:
            return f"different boot_params: {self.mismatches}"
        if "e820" not in self.stops or self.tables[0] in (None, self.tables[1]):
            return None
        return f"different e820_table: {self.tables}"


def run_experiment(  # noqa: PLR0913  the others have defaults
    kernel: Path,
    changes: Iterable[str] = (),
    *,
    puts: Sequence[tuple[int, bytes]] = (),
    last: str = "e820",
    timeout: float = PATIENCE,
    machine: str = "microvm",
    initrd: str | None = None,
    vmm: str = table.QEMU,
) -> Experiment:
    """Boot with a VMM's handover, make changes as `--protocol` and `--set` do, and run to the stage `last`.

    The guest may not get there. `puts` are physical addresses and bytes to write there before the changes.
    """
    with StubMachine() as stub:
        journey = _at_entry(stub, QemuOptions(str(kernel), initrd, machine=machine), vmm)
        target, facts = stub.target, journey.image
        assert facts is not None
        for paddr, data in puts:
            target.write_phys(paddr, data)
        journey.capture_at("entry")
        journey.rewrite([change if change in PROTOCOLS else parse_assignment(change) for change in changes])
        # Probe before the kernel runs. QEMU shows no Xen leaves here.
        symbols = probe(target, facts)
        behavior = behavior_from_symbols(symbols, facts, xen=False)
        assert [HIT] == [halt.kind for halt in journey.go("prepare", PATIENCE)]
        expected = expected_boot_params(_with_symbols(journey.history[-1], symbols), behavior)
        halts = list(journey.go(last, timeout))
    assert expected is not None
    return Experiment(behavior, journey.rewrites, expected, {stop.stage: stop for stop in journey.history}, halts[-1])


def _at_entry(machine: StubMachine, options: QemuOptions, vmm: str) -> Journey:
    """Boot to the entry, with this VMM's handover."""
    opened = open_kernel(options.kernel, machine.folder)
    machine.boot(options, SymbolsAndStrings(opened.symbols, opened.facts))
    machine.wait_ready()
    target, profile = machine.target, table.profile(vmm)
    handover = None if profile.layout is None else ProfileHandover(profile, profile.layout, RAM)
    changes = EntryChanges(handover)
    journey = Journey(target, machine.runner, opened.facts, reading=target.physical_reads, changes=changes)
    assert [HIT] == [halt.kind for halt in journey.go("entry", PATIENCE)]
    return journey


def _with_symbols(capture: Capture, symbols: Mapping[str, int]) -> Capture:
    return capture._replace(symbols={**capture.symbols, **symbols})
