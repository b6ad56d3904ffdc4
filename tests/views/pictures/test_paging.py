"""The picture of page tables: RIP arrives where the kernel file says its code is."""

from __future__ import annotations

import json
import re

import pytest

from pvhdbg.boot.record.replay import load
from pvhdbg.views.pictures import paging
from tests.paths import RECORDINGS_DIR


@pytest.mark.parametrize("name", ["linux-6.1-microvm-initrd", "linux-6.12-q35", "teaching-guest", "linux-6.1-died"])
def test_rip_arrives_where_the_kernel_file_has_its_code(name: str) -> None:
    recorded = json.loads((RECORDINGS_DIR / f"{name}.json").read_text("utf-8"))
    stop = next(stop for stop in recorded["stops"] if stop["registers"]["cr0"] >> 31)
    rip = stop["registers"]["rip"]
    segments = recorded["kernel"]["segments"]
    segment = next(it for it in segments if it["vaddr"] <= rip < it["vaddr"] + it["memsz"])
    found = paging.boxes(load(RECORDINGS_DIR / f"{name}.json"))
    words = [line.words for line in found[-1].lines]

    assert f"rip is at {rip - segment['vaddr'] + segment['paddr']:#x}" in words
    assert "in the kernel" in words


def test_each_table_leads_to_the_next_one() -> None:
    found = paging.boxes(load(RECORDINGS_DIR / "linux-6.1-microvm-initrd.json"))
    chain = [next(line.leads_to for line in box.lines if line.leads_to) for box in found[:-1]]

    assert ["PML4", "PDPT", "PD", "page"] == chain == [box.key for box in found[1:]]


def test_an_entry_is_at_its_table_and_index() -> None:
    found = paging.boxes(load(RECORDINGS_DIR / "linux-6.1-microvm-initrd.json"))
    tables = [int(box.lines[1].words, 16) & ~0xFFF for box in found[1:-2]]
    indexes = [int(re.findall(r"entry (\S+)", box.title)[0], 16) for box in found[2:-1]]
    places = [int(box.lines[0].words.removeprefix("at "), 16) for box in found[2:-1]]

    assert [table + index * 8 for table, index in zip(tables, indexes, strict=True)] == places
    assert len(places) == 2


def test_an_entry_that_was_not_captured_is_named() -> None:
    run = load(RECORDINGS_DIR / "linux-6.1-microvm-initrd.json")
    lost = run._replace(stops=(run.stops[1]._replace(memory=()),))

    assert (True, "the entry at 0x2a10ff8 was not captured") == (
        paging.boxes(lost)[-1].is_missing,
        paging.boxes(lost)[-1].lines[0].words,
    )


def test_a_boot_without_paging_says_so() -> None:
    assert "no stop of this run has paging on" in "\n".join(paging.as_text(load(RECORDINGS_DIR / "grub-entry.json")))
