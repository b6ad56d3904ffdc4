"""Rules about the boot data at their limits."""

from __future__ import annotations

import pytest

from pvhdbg.checks.finding import ERROR, INFO
from pvhdbg.checks.handover.modules import module_is_not_in_ram
from pvhdbg.checks.handover.start_info import ebx_does_not_point_to_start_info
from tests import build
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


def test_a_module_without_bytes_or_an_address_needs_no_ram() -> None:
    modules = ((3 * MIB, 0, 0, 0), (0, MIB, 0, 0))

    assert [] == list(module_is_not_in_ram(entry(MAP, modules=modules)))


@pytest.mark.parametrize(
    ("rbx", "expected"),
    [
        (0, ["rbx is 0: no VMM puts start_info at physical address 0."]),
        (1 << 32, ["rbx is 0: no VMM puts start_info at physical address 0."]),
        (build.START_INFO, []),
        (1 << 32 | build.START_INFO, []),
        (0x1FFFF000, ["rbx is 0x1ffff000, but start_info cannot be read there"]),
        (None, []),
    ],
)
def test_ebx_is_wrong_if_it_is_0_or_start_info_cannot_be_read(rbx: int | None, expected: list[str]) -> None:
    case = entry(puts=((0, build.start_info()),), registers={"rbx": rbx})
    messages = [defect.message for defect in ebx_does_not_point_to_start_info(case)]

    assert expected == [message[: len(start)] for message, start in zip(messages, expected, strict=True)]
