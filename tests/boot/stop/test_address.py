"""RIP is an offset into the code segment. The base of the segment is 0, except in firmware."""

from __future__ import annotations

import pytest

from pvhdbg.boot.stop.address import code_paddr, linear_address
from tests import build


@pytest.mark.parametrize(
    ("rip", "registers", "expected"),
    [
        (0xFFF0, {"cs.base": 0xFFFF0000, "cr0": 0x10}, 0xFFFFFFF0),
        (0x1234, {"cs.base": 0xF0000, "cr0": 0x11}, 0xF1234),
        (0x1000, {"cs.base": 0xFFFFF000, "cr0": 0x11}, 0),
        (0x1234, {"cs.base": 0, "cr0": 0x10}, 0x1234),
        (0x1234, {"cs.base": None, "cr0": 0x10}, 0x1234),
        (0x1234, {}, 0x1234),
        (0xFFFFFFFF8305A1FF, {"cs.base": 0x1000, "cr0": 0x80000011}, 0xFFFFFFFF8305A1FF),
    ],
)
def test_the_base_of_cs_is_added_except_in_64_bit_code(
    rip: int, registers: dict[str, int | None], expected: int
) -> None:
    assert expected == linear_address(rip, {"rip": rip, **registers})


def test_code_is_in_the_image_under_paging_and_else_at_the_base_of_cs() -> None:
    run = build.boot()
    entry, prepare = run.stops[:2]
    firmware = entry._replace(rip=0xFFF0, registers={**entry.registers, "cs.base": 0xFFFF0000})

    assert entry.rip == code_paddr(entry, None)
    assert 0xFFFFFFF0 == code_paddr(firmware, run.kernel)
    assert (None, 0x305A1FF) == (code_paddr(prepare, None), code_paddr(prepare, run.kernel))
    assert 0x305A200 == code_paddr(prepare, run.kernel, 0xFFFFFFFF8305A200)
    assert None is code_paddr(entry._replace(rip=None), run.kernel)
