"""Guest memory through AMD's nested page tables, in machines whose memory is valid, damaged or hostile."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from pvhdbg.abi.cpu import CR0_PG, CR4_PAE, EFER_LMA, EFER_SVME
from pvhdbg.errors import MemoryUnreadable
from pvhdbg.target.nested import NestedMemory, in_hypervisor

if TYPE_CHECKING:
    from collections.abc import Sequence

MIB = 1 << 20
SAVE_AREA, VMCB, ROOT, SECOND, THIRD, FOURTH, DATA = (0x70_0000 + 0x1000 * number for number in range(7))
HOST, HOST_SECOND, HOST_THIRD = (0x50_0000 + 0x1000 * number for number in range(3))
PRESENT, LARGE = 0x27, 0x80
IN_XEN = 0xFFFF_82D0_4020_0000
VMRUN = 0xD8010F
RESUMES_AT = IN_XEN + 0x1003
"""Where Xen continues after its VMRUN."""


class Memory:
    """The machine's memory, with these 8-byte numbers; all others are 0. `count` is how many ranges were read."""

    def __init__(self, numbers: dict[int, int], size: int = 8 * MIB) -> None:
        self.numbers, self.size, self.count = numbers, size, 0

    def read(self, ranges: Sequence[tuple[int, int]]) -> list[bytes | None]:
        self.count += len(ranges)
        return [self._read(*part) for part in ranges]

    def _read(self, address: int, size: int) -> bytes | None:
        if address + size > self.size:
            return None
        words = range(address - address % 8, address + size, 8)
        raw = b"".join(self.numbers.get(word, 0).to_bytes(8, "little") for word in words)
        return raw[address % 8 :][:size]

    def nested(self, *, runs_xen: bool | None = True) -> NestedMemory:
        return NestedMemory(self.read, lambda: [(0, self.size)] if self.size else [], runs_xen=runs_xen)


def vmcb(save_area: int = SAVE_AREA, at: int = VMCB, cr3: int = ROOT) -> dict[int, int]:
    """Return a host save area and the VMCB that it names, with all that AMD's manual requires of a running guest."""
    saved = {save_area + 0x5F8: at, save_area + 0x4D0: EFER_SVME | EFER_LMA, at + 0x4D0: EFER_SVME}
    saved |= {save_area + 0x578: RESUMES_AT, save_area + 0x550: HOST}
    saved |= {save_area + 0x558: CR0_PG, save_area + 0x548: CR4_PAE}
    return hosts_tables() | saved | {at + 0x10: 1, at + 0x58: 1, at + 0x90: 1, at + 0xB0: cr3}


def hosts_tables() -> dict[int, int]:
    """Return Xen's page tables, and the page of its code that they map."""
    at = {HOST + 8 * (IN_XEN >> 39 & 511): HOST_SECOND, HOST_SECOND + 8 * (IN_XEN >> 30 & 511): HOST_THIRD}
    mapped = {HOST_THIRD + 8 * (IN_XEN >> 21 & 511): 0x60_0000 | PRESENT | LARGE, 0x60_1000: VMRUN}
    return {where: table | PRESENT for where, table in at.items()} | mapped


def tables(page: int = DATA) -> dict[int, int]:
    """Return nested page tables that map the guest's page 0x1000."""
    return {ROOT: SECOND | PRESENT, SECOND: THIRD | PRESENT, THIRD: FOURTH | PRESENT, FOURTH + 8: page | PRESENT}


def test_the_guests_memory_is_where_the_nested_tables_have_it() -> None:
    nested = Memory(vmcb() | tables()).nested()

    assert [(DATA + 8, 16)] == nested.ranges(0x1008, 16)
    assert (VMCB, ROOT) == nested.running()


def test_large_pages_are_translated() -> None:
    large = {ROOT: SECOND | PRESENT, SECOND: THIRD | PRESENT, THIRD + 8: 0x20_0000 | PRESENT | LARGE}

    assert [(0x20_1234, 4)] == Memory(vmcb() | large).nested().ranges(0x20_1234, 4)


def test_the_registers_are_those_of_the_vmcb() -> None:
    saved = Memory(vmcb() | {VMCB + 0x578: 0x1000850, VMCB + 0x5D8: 0x2000}).nested().saved_registers()

    assert (0x1000850, 0x2000, EFER_SVME) == (saved["rip"], saved["rsp"], saved["efer"])


@pytest.mark.parametrize(
    ("offset", "value"),
    [(0x10, 0), (0x58, 0), (0x90, 0), (0xB0, ROOT + 1), (0xB0, 1 << 40), (0x4D0, 0)],
    ids=["VMRUN not intercepted", "ASID 0", "no nested paging", "unaligned", "not in RAM", "SVM off"],
)
def test_what_is_not_the_control_block_of_a_running_guest_is_not_used(offset: int, value: int) -> None:
    nested = Memory(vmcb() | tables() | {VMCB + offset: value}).nested()

    assert nested.running() is None
    assert {} == nested.saved_registers()
    with pytest.raises(MemoryUnreadable, match="did not find the nested page tables"):
        nested.ranges(0x1000, 8)


def test_memory_that_xen_has_not_given_is_not_readable() -> None:
    with pytest.raises(MemoryUnreadable, match="has not given the guest this memory"):
        Memory(vmcb() | tables()).nested().ranges(0x2000, 8)


@pytest.mark.parametrize(
    "wrong",
    [{SAVE_AREA + 0x578: 0x100_0853}, {0x60_1000: 0x909090}, {HOST: 0, HOST + 8 * (IN_XEN >> 39 & 511): 0}],
    ids=["RIP outside of Xen", "no VMRUN", "not mapped"],
)
def test_a_save_area_that_xen_has_not_written_is_not_used(wrong: dict[int, int]) -> None:
    assert Memory(vmcb() | tables() | wrong).nested().running() is None


RUNNING = {"rip": 0x1008, "cr0": CR0_PG, "cr3": ROOT, "cr4": CR4_PAE, "efer": EFER_SVME | EFER_LMA}
"""The registers of a guest whose page tables are, in the machine's memory, those that `tables` makes."""
NESTED = RUNNING | {"cr3": 0x1000}


@pytest.mark.parametrize(
    ("runs_xen", "registers", "is_on_xen"),
    [
        (False, NESTED, False),
        (False, NESTED | {"rip": IN_XEN}, False),
        (True, RUNNING, True),
        (None, NESTED, True),
        (None, RUNNING, False),
        (None, RUNNING | {"cr0": 0}, True),
        (None, NESTED | {"efer": EFER_LMA}, False),
    ],
    ids=["no Xen", "no Xen at its addresses", "Xen", "perhaps", "own page tables", "no paging", "no SVM"],
)
def test_planted_tables_do_not_mislead(runs_xen: bool | None, registers: dict[str, int], is_on_xen: bool) -> None:
    nested = Memory(vmcb() | tables()).nested(runs_xen=runs_xen)

    assert is_on_xen == nested.is_on_xen(registers)
    assert [(DATA if is_on_xen else 0x1000, 8)] == [*nested.machine_ranges(registers, 0x1000, 8)]


def test_without_xen_nothing_is_searched() -> None:
    memory = Memory(vmcb() | tables())
    ranges = memory.nested(runs_xen=False).machine_ranges(NESTED, 0x1000, 8)

    assert ([(0x1000, 8)], 0) == ([*ranges], memory.count)


def test_a_long_search_continues_at_the_next_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every look at the clock is a minute later: a stop has time for one part of the search."""
    clock = iter(range(0, 1 << 20, 60))
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    memory = Memory({}, size=26 * MIB)
    nested = memory.nested(runs_xen=None)
    found, counts = [], [0]
    for _ in range(3):
        nested.clear()
        found.append(nested.running() is not None)
        counts.append(memory.count)
        memory.numbers = vmcb() | tables()  # Xen starts a guest

    assert [False, True, True] == found
    assert 9 * 512 == counts[1]


def test_the_end_of_memory_is_searched_again_at_each_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "monotonic", iter(range(0, 1 << 20, 60)).__next__)
    memory = Memory({}, size=64 * MIB)
    nested = memory.nested(runs_xen=None)
    nested.running()
    memory.numbers = vmcb(save_area=63 * MIB) | tables()
    nested.clear()

    assert nested.running() is not None


def test_a_save_area_that_names_itself_is_none() -> None:
    assert Memory(vmcb(at=SAVE_AREA)).nested().running() is None


def test_tables_that_name_themselves_end() -> None:
    """A cycle is only four levels deep: every address translates to the table itself."""
    cyclic = {ROOT + 8 * number: ROOT | PRESENT for number in range(512)}
    memory = Memory(vmcb() | cyclic)

    assert [(ROOT + 0x10, 8)] == memory.nested().ranges(0x10, 8)
    assert [(ROOT, 0x1000)] == memory.nested().ranges(0x7FFF_FFFF_F000, 0x1000)


def test_tables_outside_of_memory_are_reported() -> None:
    with pytest.raises(MemoryUnreadable):
        Memory(vmcb() | {ROOT: 1 << 45 | PRESENT}).nested().ranges(0x1000, 8)


def test_without_ram_nothing_is_found() -> None:
    memory = Memory({}, size=0)

    assert memory.nested().running() is None
    assert 0 == memory.count


def test_the_search_of_huge_memory_is_bounded_and_happens_once() -> None:
    memory = Memory({}, size=1 << 52)
    nested = memory.nested()

    assert nested.running() is None
    assert nested.running() is None
    assert 0 < memory.count <= 1 << 17


def test_a_machine_full_of_save_areas_without_a_guest_is_searched_in_bounded_reads() -> None:
    """Each page names a page as its VMCB, as hostile memory may."""
    pages = range(0, 8 * MIB, 0x1000)
    memory = Memory({page + 0x5F8: (page + 0x1000) % (8 * MIB) for page in pages})

    assert memory.nested().running() is None
    assert memory.count <= 10 * len(pages)


def test_the_known_save_area_is_asked_first_at_the_next_stop() -> None:
    memory = Memory(vmcb() | tables())
    nested = memory.nested()
    nested.running()
    memory.numbers |= vmcb(at=FOURTH + 0x2000)  # Xen runs another guest now
    nested.clear()
    memory.count = 0

    assert FOURTH + 0x2000 == (nested.running() or (0,))[0]
    assert memory.count < 20


@pytest.mark.parametrize(
    ("rip", "efer", "is_xen"),
    [
        (IN_XEN, EFER_SVME, True),
        (IN_XEN, 0, False),  # Xen as a guest, or Xen before it uses SVM
        (0xFFFF_FFFF_8100_0000, EFER_SVME, False),
        (0x100_0850, EFER_SVME, False),
        (0x100_0850, 0, False),
    ],
)
def test_xen_and_its_guests_are_told_apart_by_svm_and_rip(rip: int, efer: int, is_xen: bool) -> None:
    assert is_xen == in_hypervisor({"rip": rip, "efer": efer})
