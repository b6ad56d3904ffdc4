"""The exact boundaries at which a map that is too long kills the kernel."""

from __future__ import annotations

import pytest

from pvhdbg.boot.model.predicted import OVERRUN, PredictedDeath
from pvhdbg.boot.stop.capture import Capture
from tests.boot.prepare_stop import RFC, UPSTREAM, map_of, model, prepare_stop, with_memory
from tests.build import KERNEL_MAP, VARIABLES

PARAMS = VARIABLES["pvh_bootparams"]
END = 0x2D0 + 300 * 20
"""Where 300 entries end, counted from the start of boot_params."""


def death(capture: Capture, *, rfc: bool = True) -> PredictedDeath | None:
    return model(capture, RFC if rfc else UPSTREAM).death


def with_stack(count: int, distance: int) -> Capture:
    """Return a stop at which a kernel with the 2017 RFC protocol has its return address this far from boot_params."""
    capture = prepare_stop(None, map_of(count))
    return capture._replace(registers={**capture.registers, "rsp": KERNEL_MAP + PARAMS + distance})


@pytest.mark.parametrize(
    ("distance", "certain"),
    [(END - 8, True), (END - 7, False), (END, False), (END + 511, False), (END + 512, None), (END + 4096, None)],
)
def test_only_a_map_over_the_whole_return_address_is_certain_to_kill(distance: int, certain: bool | None) -> None:
    predicted = death(with_stack(300, distance))

    assert certain == (predicted and predicted.certain)
    assert predicted is None or (OVERRUN, "memory_map.nr_entries") == (predicted.kind, predicted.field)
    assert predicted is None or " 2624 bytes" in predicted.why


@pytest.mark.parametrize(("count", "dies"), [(168, False), (255, False), (256, True), (300, True)])
def test_more_entries_than_a_byte_counts_may_kill_if_the_stack_is_unknown(count: int, dies: bool) -> None:
    predicted = death(prepare_stop(None, map_of(count))._replace(symbols={}))

    assert dies == (predicted is not None)
    assert predicted is None or not predicted.certain


LOADS_CANARY = bytes.fromhex("6548 8b04 2528 0000 00")


def guarded(count: int, gs_base: int, code: bytes = LOADS_CANARY) -> Capture:
    """Return a stop at which GS points this far from boot_params. The canary is at offset 0x28 from GS."""
    capture = with_memory(prepare_stop(map_of(count)), 0x305A1FF, code.ljust(64, b"\x90"))
    registers = {"gs_base": PARAMS + gs_base, "rip": 0xFFFFFFFF8305A1FF, "rsp": KERNEL_MAP + PARAMS + 0x10000}
    return capture._replace(registers={**capture.registers, **registers})


ENTRIES_END = 0x2D0 + 200 * 20


@pytest.mark.parametrize(
    ("canary", "dies"),
    [
        (ENTRIES_END - 8, True),
        (ENTRIES_END - 1, True),
        (ENTRIES_END, False),
        (4096 - 8, False),
        (4096 - 7, True),
        (4096, True),
    ],
)
def test_a_map_kills_by_the_canary_if_it_overwrites_a_byte_of_it_behind_boot_params(canary: int, dies: bool) -> None:
    predicted = death(guarded(200, canary - 0x28), rfc=False)

    assert dies == (predicted is not None)


@pytest.mark.parametrize(
    ("code", "certain"),
    [
        (LOADS_CANARY, True),
        (bytes(55) + LOADS_CANARY, True),
        (bytes(56) + LOADS_CANARY, False),
        (bytes.fromhex("654c 8b2c 2528 0000 00"), True),
        (bytes.fromhex("6548 8b04 2530 0000 00"), False),
        (b"", False),
    ],
)
def test_the_death_by_the_canary_is_certain_if_the_first_64_bytes_load_it(code: bytes, certain: bool) -> None:
    predicted = death(guarded(200, 4096 - 0x28, code), rfc=False)

    assert certain == (predicted and predicted.certain)
