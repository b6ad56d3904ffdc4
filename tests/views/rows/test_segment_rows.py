"""The GDT and the segment registers as rows. tests/live/debuggee/test_paging.py compares them with QEMU's."""

from __future__ import annotations

import pytest

from pvhdbg.boot.stop.capture import Capture
from pvhdbg.views.rows import segment_rows
from pvhdbg.views.rows.cpu_rows import cpu_rows
from pvhdbg.views.to_json import document_json
from tests import build

GDT = 0x500
CODE_32, CODE_64, DATA = 0x00CF9B000000FFFF, 0x00AF9A000000FFFF, 0x00CF93000000FFFF


def with_gdt(*entries: int, paddr: int = GDT, limit: int | None = None, **registers: int) -> Capture:
    """Return the entry of a boot with a GDT."""
    capture = build.boot().stops[0]
    table = b"".join(entry.to_bytes(8, "little") for entry in entries)
    known = {"gdtr.base": GDT, "gdtr.limit": len(table) - 1 if limit is None else limit, "cr3": 0, **registers}
    return capture._replace(memory=((paddr, table),), registers={**capture.registers, **known})


def meanings(capture: Capture) -> dict[str, str]:
    return {row.name: row.meaning for row in cpu_rows(capture)}


def test_a_segment_register_names_its_entry_and_what_the_entry_has_become() -> None:
    loaded, replaced = (meanings(with_gdt(0, code, DATA)) for code in (CODE_32, CODE_64))

    assert "32-bit code from gdt[1], base 0x0, limit 0xffffffff, flags 0xcf9b00" == loaded["cs"]
    assert replaced["cs"].startswith("32-bit code (gdt[1] is now 64-bit code), base 0x0")
    assert replaced["ds"].startswith("32-bit data from gdt[2]")
    assert "(now beyond the GDT: gdt[2])" in meanings(with_gdt(0, CODE_32))["ds"]


def test_the_entries_of_the_gdt_are_rows_and_empty_ones_are_one() -> None:
    rows = {row.name: row for row in cpu_rows(with_gdt(0, CODE_32, DATA, 0, 0))}

    assert "GDT at 0x500: 5 entries" in rows
    assert (
        "32-bit code: execute, read, accessed, base 0x0, limit 0xffffffff, DPL 0; in use by cs"
        == rows["gdt[1]"].meaning
    )
    assert ("empty", GDT + 24) == (rows["gdt[3]-[4]"].meaning, rows["gdt[3]-[4]"].address)
    assert [0, 8, 16, 24, 32] == [
        entry["selector"] for entry in document_json.stop(with_gdt(0, CODE_32, DATA, 0, 0))["gdt"]
    ]


def test_all_fields_of_the_descriptor_in_a_row_are_explained() -> None:
    capture = with_gdt(0, CODE_64)
    entry, register = (segment_rows.fields_of(capture, path) for path in ("gdt[1]", "registers.cs"))

    assert (
        "limit 0xfffff: the last byte is 0xffffffff; type 0xa: execute, read, not accessed; S 1: code or data" in entry
    )
    assert (
        "DPL 0: kernel; P 1: present; AVL 0; L 1: 64-bit code; D/B 0: not 32-bit; G 1: the limit counts 4 KiB." in entry
    )
    assert "L 0: not 64-bit code; D/B 1: 32-bit code or stack" in register
    assert "" == segment_rows.fields_of(capture, "registers.rip") == segment_rows.fields_of(capture, "gdt[9]")


@pytest.mark.parametrize(
    ("capture", "why"),
    [
        (with_gdt(0, CODE_32, paddr=0x9000), "its memory was not captured"),
        (with_gdt(0, CODE_32, limit=0), "GDTR has no table"),
        (with_gdt(0, CODE_32, cr0=0x80000001, cr4=0x20, efer=0x500), "its address is not mapped, or was not captured"),
    ],
)
def test_a_gdt_that_cannot_be_read_says_why(capture: Capture, why: str) -> None:
    assert f"GDT at 0x500: {why}" in meanings(capture)
    assert "gdt" not in document_json.stop(capture)


def test_a_gdt_that_was_read_in_part_says_so() -> None:
    assert "GDT at 0x500: 8192 entries, the first 2 of them" in meanings(with_gdt(0, CODE_32, limit=0xFFFF))
