"""RIP is an offset into the code segment. The base of the segment is 0, except in firmware."""

from __future__ import annotations

import pytest

from pvhdbg.boot.stop.address import Addresses, code_paddr, linear_address
from pvhdbg.errors import TargetError
from pvhdbg.target.recording import Recording
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


@pytest.mark.parametrize(
    ("vaddr", "size", "expected"),
    [
        (0x1234, 0x10, [(0x8234, 0x10)]),
        (0x1FF0, 0x10, [(0x8FF0, 0x10)]),
        (0x1FF0, 0x20, [(0x8FF0, 0x20)]),
        (0x1FF0, 0x1020, [(0x8FF0, 0x1010), (0x3000, 0x10)]),
        (0x1000, 0x3000, [(0x8000, 0x2000), (0x3000, 0x1000)]),
        (0x1234, 0, [(0x8234, 0)]),
    ],
)
def test_kernel_memory_is_in_one_block_as_long_as_its_pages_are_adjacent(
    vaddr: int, size: int, expected: list[tuple[int, int]]
) -> None:
    guest = build.linux_guest()
    guest.registers.update(cr0=0x80000011, cr3=0x10000, cr4=0, efer=0)
    guest.put(0x10000, (0x11003).to_bytes(4, "little"))
    for page, place in ((1, 0x8000), (2, 0x9000), (3, 0x3000)):
        guest.put(0x11000 + 4 * page, (place | 3).to_bytes(4, "little"))
    target = Recording(guest.memory.ranges(), guest.registers, {})

    assert expected == Addresses(target, guest.registers, None).blocks(vaddr, size)
    with pytest.raises(TargetError, match="0x4000: not mapped"):
        Addresses(target, guest.registers, None).blocks(0x3FFF, 2)
