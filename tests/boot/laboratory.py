"""A real boot that was changed at its entry stop, and what the model says should come of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pvhdbg.boot.lab.assignment import parse_assignment
from pvhdbg.boot.model.difference import Mismatch, mismatches
from pvhdbg.boot.model.e820_sanitize import expected_e820_table
from pvhdbg.boot.model.expected import ExpectedBootParams, expected_boot_params
from pvhdbg.boot.model.kernel_behavior import KernelBehavior, behavior_from_symbols
from pvhdbg.boot.run.journey import Journey
from pvhdbg.boot.stop.kernel_probe import SymbolsAndStrings, probe
from pvhdbg.boot.stop.protocols import PROTOCOLS
from pvhdbg.image.load import open_kernel
from pvhdbg.live.debuggee.own_machine import OwnMachine
from pvhdbg.live.qemu.options import QemuOptions
from pvhdbg.target.base import HIT, Halt

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from pvhdbg.boot.record.document import Rewrite
    from pvhdbg.boot.stop.capture import Capture

Range = tuple[int, int, int]
"""Address, size and type."""

PATIENCE = 60.0
BLANK = 0x60000
"""Free memory on every machine, for what a test puts there itself."""


class Experiment(NamedTuple):
    """What was changed, what the model expects, what the kernel did: its stops by stage, and how it halted last."""

    rules: KernelBehavior
    rewrites: tuple[Rewrite, ...]
    wanted: ExpectedBootParams
    stops: dict[str, Capture]
    halt: Halt

    @property
    def returned(self) -> bool:
        """Whether xen_prepare_pvh did."""
        return "bootparams" in self.stops

    @property
    def mismatches(self) -> list[Mismatch]:
        params = self.stops["bootparams"].boot_params
        assert params is not None
        return mismatches(self.wanted, params)

    @property
    def tables(self) -> tuple[list[Range] | None, list[Range]]:
        """The e820_table as it should be, null if that is not known, and as it is."""
        params, table = self.stops["kernel"].kernel_boot_params, self.stops["e820"].e820_table
        assert params is not None
        assert table is not None
        should = expected_e820_table(params, self.rules)
        does = [(each.addr, each.size, each.type) for each in table.entries]
        return None if should is None else [(each.addr, each.size, each.type) for each in should], does

    def complaint(self) -> str | None:
        """How the kernel did otherwise than the model says, null if it did not."""
        death = self.wanted.death
        if not self.returned:
            return None if death else f"no death was predicted, and it halted: {self.halt}"
        if death and death.certain:
            return f"it returned: {death}"
        if self.mismatches:
            return f"other bytes: {self.mismatches}"
        if "e820" not in self.stops or self.tables[0] in (None, self.tables[1]):
            return None
        return f"another table: {self.tables}"


def experiment(  # noqa: PLR0913  each has a default
    kernel: Path,
    changes: Iterable[str] = (),
    *,
    puts: Sequence[tuple[int, bytes]] = (),
    last: str = "e820",
    timeout: float = PATIENCE,
    machine: str = "microvm",
    initrd: str | None = None,
) -> Experiment:
    """Boot, make the changes as `--protocol` and `--set` would, and go to the stage `last` or as far as it goes.

    `puts` is written before anything else is changed.
    """
    with OwnMachine() as own_machine:
        opened = open_kernel(str(kernel), own_machine.folder)
        known = SymbolsAndStrings(opened.symbols, opened.facts)
        own_machine.boot(QemuOptions(str(kernel), initrd, machine=machine), known)
        own_machine.wait_ready()
        journey = Journey(own_machine.target, own_machine.runner, opened.facts, reading=own_machine.target.physical)
        assert [HIT] == [each.kind for each in journey.go("entry", PATIENCE)]
        for paddr, data in puts:
            own_machine.target.write_phys(paddr, data)
        journey.capture_at("entry")
        journey.rewrite([each if each in PROTOCOLS else parse_assignment(each) for each in changes])
        # Before the kernel has made anything of it. QEMU shows no Xen leaves here.
        symbols = probe(own_machine.target, opened.facts)
        rules = behavior_from_symbols(symbols, opened.facts, xen=False)
        assert [HIT] == [each.kind for each in journey.go("prepare", PATIENCE)]
        prepare = journey.history[-1]
        made = expected_boot_params(prepare._replace(symbols={**prepare.symbols, **symbols}), rules)
        halts = list(journey.go(last, timeout))
    assert made is not None
    return Experiment(rules, journey.rewrites, made, {each.stage: each for each in journey.history}, halts[-1])
