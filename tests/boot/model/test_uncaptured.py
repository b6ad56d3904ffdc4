"""What the model expects if any byte was not captured: the same, or nothing about what depends on the byte."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests import build
from tests.boot.prepare_stop import BLOB, CMDLINE, MEMMAP, MODLIST, RFC, TEACHING, UPSTREAM, model, prepare_stop

if TYPE_CHECKING:
    from pvhdbg.boot.stop.capture import Capture

BEHAVIORS = {"memmap": UPSTREAM, "RFC": RFC, "teaching": TEACHING, "both": UPSTREAM._replace(e820_module=True)}
PLACES = (MEMMAP, MODLIST, MODLIST + 32, MODLIST + 48, BLOB, BLOB + 4, CMDLINE, build.VARIABLES["pvh_start_info"])
STOPS = {"memmap": prepare_stop(), "RFC": prepare_stop(None, build.MAP), "both": prepare_stop(build.MAP, build.MAP)}


def without(capture: Capture, paddr: int, size: int) -> Capture:
    """Return the capture without these bytes of memory."""
    blocks = []
    for start, data in capture.memory:
        before, after = data[: max(paddr - start, 0)], data[max(paddr + size - start, 0) :]
        if paddr + size <= start or paddr >= start + len(data):
            blocks.append((start, data))
        else:
            blocks += [(start, before)] * bool(before) + [(start + len(data) - len(after), after)] * bool(after)
    return capture._replace(memory=tuple(blocks))


@pytest.mark.parametrize("stop", STOPS)
@pytest.mark.parametrize("behavior", BEHAVIORS)
@pytest.mark.parametrize("paddr", PLACES)
@pytest.mark.parametrize("size", [1, 4096])
def test_nothing_else_is_expected_if_bytes_were_not_captured(stop: str, behavior: str, paddr: int, size: int) -> None:
    whole, cut = (model(capture, BEHAVIORS[behavior]) for capture in (STOPS[stop], without(STOPS[stop], paddr, size)))
    known = [number for number, bits in enumerate(cut.known) if bits]

    assert [whole.boot_params[number] for number in known] == [cut.boot_params[number] for number in known]
    assert cut.death in (whole.death, None)
