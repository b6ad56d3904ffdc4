"""When a ramdisk that is not in RAM can still be read: the limits."""

from __future__ import annotations

import pytest

from pvhdbg.checks.finding import ERROR, INFO
from pvhdbg.checks.handover.modules import module_is_not_in_ram
from tests.checks.cases import MACHINE, entry

MIB, GIB = 1 << 20, 1 << 30
MAP = ((MIB, MIB, 1), (2 * MIB, 4 * GIB, 2), (0x1000, MIB - 0x1000, 2))


def severity(start: int, end: int, memory: str | None) -> str | None:
    case = entry(MAP, machine=MACHINE._replace(memory=memory), modules=((start, end - start, 0, 0),))
    defects = list(module_is_not_in_ram(case))
    assert 1 == len(defects)
    return defects[0].severity


@pytest.mark.parametrize(
    ("start", "end", "memory", "expected"),
    [
        (2 * MIB, 3 * MIB, "4G", INFO),
        (2 * GIB - 1, 2 * GIB, "4G", INFO),
        (2 * GIB - 1, 2 * GIB + 1, "4G", ERROR),
        (GIB, GIB + MIB, "1024", ERROR),
        (GIB - MIB, GIB, "1G", INFO),
        (GIB - MIB, GIB + 1, "1G", ERROR),
        (2 * MIB, 3 * MIB, None, ERROR),
        (2 * MIB, 3 * MIB, "1G,maxmem=2G", ERROR),
        (MIB, 3 * MIB, "4G", INFO),
        (MIB - 1, 3 * MIB, "4G", ERROR),
        (0x1000, 0x2000, "4G", ERROR),
    ],
)
def test_linux_copies_a_ramdisk_only_from_memory_that_certainly_exists(
    start: int, end: int, memory: str | None, expected: str
) -> None:
    assert expected == severity(start, end, memory)
