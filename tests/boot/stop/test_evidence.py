"""Memory that only the checks use is read as far as they need it, and within limits even from a hostile guest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.boot.stop import evidence
from pvhdbg.boot.stop.read import read_capture
from pvhdbg.target.recording import Recording
from tests import build

if TYPE_CHECKING:
    from pvhdbg.boot.stop.capture import Capture

MP_TABLE = b"_MP_" + bytes(4) + b"\x01" + bytes(6) + bytes([-sum(b"_MP_\x01") & 0xFF])
RSDP = b"RSD PTR " + bytes([-sum(b"RSD PTR ") & 0xFF]) + bytes(11)
UNLISTED = tuple(entry for entry in build.MAP if entry[0] != 0xF0000)
PAGE = 4096


class Machine:
    """A machine that has memory everywhere. `reads` are the ranges that were read."""

    def __init__(self, guest: build.Guest) -> None:
        others = Recording((), guest.registers, guest.symbols)
        self.register, self.symbol = others.register, others.symbol
        self._pages = {paddr // PAGE: data for paddr, data in _pages(guest)}
        self.reads: list[tuple[int, int]] = []

    def read_phys(self, paddr: int, size: int) -> bytes:
        self.reads.append((paddr, size))
        first, last = paddr // PAGE, (paddr + size - 1) // PAGE
        data = b"".join(self._pages.get(number, bytes(PAGE)) for number in range(first, last + 1))
        return data[paddr % PAGE :][:size]


def _pages(guest: build.Guest) -> list[tuple[int, bytes]]:
    return [
        (paddr + offset, data[offset : offset + PAGE])
        for paddr, data in guest.memory.ranges()
        for offset in range(0, len(data), PAGE)
    ]


def entry(table: tuple[build.Range, ...] = build.MAP, **fields: int) -> build.Guest:
    guest = build.linux_guest()
    usual = {"memmap_paddr": build.MEMMAP, "memmap_entries": len(table), "cmdline_paddr": build.CMDLINE}
    guest.put(build.START_INFO, build.start_info(**usual | fields))
    guest.put(build.MEMMAP, build.memmap(table))
    return guest


def captured(guest: build.Guest, stage: str = "entry") -> tuple[Machine, Capture]:
    machine = Machine(guest)
    return machine, read_capture(machine, stage, guest.image, build.START_INFO)


def size_of(capture: Capture) -> int:
    return sum(len(data) for _, data in capture.memory)


def test_an_rsdp_that_start_info_lacks_is_searched_and_only_the_table_is_kept() -> None:
    guest = entry()
    guest.put(0xF59E0, RSDP)
    machine, capture = captured(guest)

    assert RSDP == capture.bytes_at(0xF59E0, len(RSDP))
    assert (0xE0000, 0x20000) in machine.reads
    assert size_of(capture) < PAGE


def test_nothing_is_searched_if_start_info_has_the_rsdp_and_the_map_lists_all() -> None:
    machine, _ = captured(entry(rsdp_paddr=0xF59E0))

    assert max(size for _, size in machine.reads) < PAGE


def test_only_memory_that_the_map_does_not_list_is_searched_for_other_tables() -> None:
    guest = entry(UNLISTED, rsdp_paddr=0xF59E0)
    guest.put(0xE8000, MP_TABLE)
    guest.put(0xF8000, MP_TABLE)
    machine, capture = captured(guest)

    assert None is capture.bytes_at(0xE8000, len(MP_TABLE))
    assert MP_TABLE == capture.bytes_at(0xF8000, len(MP_TABLE))
    assert [(0xF0000, 0x10000)] == [read for read in machine.reads if read[1] >= PAGE]


def test_a_guest_full_of_tables_costs_no_more_than_the_limit() -> None:
    guest = entry(UNLISTED, rsdp_paddr=0x9000)
    guest.put(0xF4000, MP_TABLE * 0x800)
    _, capture = captured(guest)
    kept = [data for paddr, data in capture.memory if 0xF4000 <= paddr < 0x100000]

    assert [MP_TABLE * evidence.MAX_TABLES] == kept


def test_the_beginning_of_module_0_is_read_at_the_entry() -> None:
    guest = entry(nr_modules=2, modlist_paddr=build.MODLIST)
    guest.put(build.MODLIST, build.modlist((build.RAMDISK, 10 * PAGE, 0, 0), (0x200000, PAGE, 0, 0)))
    _, capture = captured(guest)

    assert bytes(evidence.MODULE_HEAD) == capture.bytes_at(build.RAMDISK, evidence.MODULE_HEAD)
    assert None is capture.bytes_at(build.RAMDISK, evidence.MODULE_HEAD + 1)
    assert None is capture.bytes_at(0x200000, 1)


def test_a_death_has_the_page_tables_of_cr2_and_the_gdt() -> None:
    guest = entry()
    build.page_tables(guest)
    guest.registers.update({"cr2": 0x40000000, "gdtr.base": 0x1500000, "gdtr.limit": 0xFFFF, "rip": 0x1000850})
    _, capture = captured(guest, "died")

    assert bytes(evidence.MAX_GDT) == capture.bytes_at(0x1500000, evidence.MAX_GDT)
    assert None is capture.bytes_at(0x1500000, evidence.MAX_GDT + 1)
    assert guest.memory.get(build.TABLES, 8) == capture.bytes_at(build.TABLES, 8)
    assert "page_fault" not in capture.missing
