"""Handovers that have some of the differences between two others."""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING

import pytest

from pvhdbg.boot.handover.differences import Mixture
from pvhdbg.boot.handover.from_capture import AsCaptured
from pvhdbg.boot.record.replay import load
from pvhdbg.errors import UserError
from pvhdbg.target.recording import Recording
from tests.paths import RECORDINGS_DIR

if TYPE_CHECKING:
    from pvhdbg.boot.handover.handover import Handover

NAMES = ("teaching-guest", "teaching-guest-rfc", "linux-6.1-pc", "linux-6.12-q35")


def handover(name: str) -> Handover:
    entry = load(RECORDINGS_DIR / f"{name}.json").stops[0]
    return AsCaptured().handover(Recording((), entry.registers, {}), entry, None)


def memory(made: Handover) -> list[tuple[int, bytes]]:
    return sorted((placed.paddr, placed.data) for placed in made.placed)


@pytest.mark.parametrize(("one", "other"), [*permutations(NAMES, 2)])
def test_a_mixture_without_differences_is_the_first_handover_and_with_all_the_second(one: str, other: str) -> None:
    first, second = handover(one), handover(other)
    mixture = Mixture(first, second)
    everything = range(len(mixture.differences))

    assert mixture.differences
    for taken, expected in (((), first), (everything, second)):
        made = mixture.handover(taken)

        assert memory(expected) == memory(made)
        assert expected.cpu.general_registers == made.cpu.general_registers
        assert expected.cpu._replace(general={}) == made.cpu._replace(general={})
        assert (expected.moves, expected.cleared) == (made.moves, made.cleared)


def test_each_difference_changes_the_handover() -> None:
    first = handover("teaching-guest")
    mixture = Mixture(first, handover("linux-6.1-pc"))
    changed = []
    for index, difference in enumerate(mixture.differences):
        try:
            made = mixture.handover([index])
        except UserError as error:
            assert "would overlap" in str(error)  # noqa: PT017  most of them do not
        else:
            changed.append(difference.path)
            assert (memory(first), first.cpu) != (memory(made), made.cpu)

    assert {"registers.rsp", "start_info.paddr", "start_info.rsdp_paddr", "cmdline"} <= {*changed}


def test_a_handover_does_not_differ_from_itself() -> None:
    assert () == Mixture(handover("linux-6.1-pc"), handover("linux-6.1-pc")).differences
