"""Who wrote the boot data of a guest that dies before the stage up to which it is observed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from pvhdbg.boot.who.answer import PVHDBG
from tests.cli.shell import pvhdbg

if TYPE_CHECKING:
    from pathlib import Path

ALIVE: tuple[str, ...] = ()
BUG = ("--set", "start_info.magic=0")
"""The kernel compares the magic number before it writes anything to boot_params."""
NO_MODULES = ("--set", "start_info.modlist_paddr=0xfffffffffff0", "-i", "/etc/hostname")
"""The kernel has filled in the map when it reads the list of modules, which its page tables do not map."""
NO_MAP = ("--set", "start_info.memmap_paddr=0x7fffffff00000000")
"""This can't be an address of memory."""


def asked(*words: str) -> Any:  # noqa: ANN401  JSON
    done = pvhdbg("who", "--all", "--format", "json", *words)
    document = json.loads(done.out)
    assert ("died" == document["outcome"]["ended"]) == done.status == ("note: the observed guest died" in done.err)
    return document


def by_field(document: Any) -> dict[str, Any]:  # noqa: ANN401  JSON
    return {answer["field"]: answer for answer in document["who"]}


def writers(answer: Any) -> set[tuple[object, ...]]:  # noqa: ANN401  JSON
    return {(one["rip"], one["instruction"], one["from"], one["confidence"]) for one in answer["writers"]}


@pytest.fixture(scope="module")
def alive() -> dict[str, Any]:
    return by_field(asked("-i", "/etc/hostname"))


@pytest.mark.parametrize("words", [BUG, NO_MODULES, NO_MAP], ids=" ".join)
def test_the_answer_has_what_was_seen_up_to_the_death(words: tuple[str, ...], alive: dict[str, Any]) -> None:
    document = asked(*words)
    dead = by_field(document)
    built = [path for path in dead if path.startswith(("boot_params.", "pvh_start_info."))]
    died = document["outcome"]["died"]

    assert f"at {died['rip']:#x} {died['symbol']}" in document["who_ended"]
    assert document["who_ended"].endswith("after stage prepare")
    assert {path for path in alive if path.startswith(("boot_params.", "pvh_start_info."))} == set(built)
    assert {} == {path: found for path in built if not (found := writers(dead[path])) <= writers(alive[path])}
    assert all(dead[path]["writers"] for path in built if path.startswith("pvh_start_info."))
    assert PVHDBG == dead[words[1].partition("=")[0]]["writers"][0]["by"]


def test_a_guest_dies_before_or_after_it_writes_its_boot_params(alive: dict[str, Any]) -> None:
    early, late = by_field(asked(*BUG)), by_field(asked(*NO_MODULES))
    written = {path for path in late if path.startswith("boot_params.") and late[path]["writers"]}
    last, first = "boot_params.hdr.ramdisk_image", "boot_params.e820_table[0].addr"

    assert not any(early[path]["writers"] for path in written)
    assert (alive[first]["writers"], alive[last]["writers"][1:]) == (late[first]["writers"], late[last]["writers"])
    assert [] == early["pvh_start_info.cmdline_paddr"]["readers"]
    assert alive["pvh_start_info.magic"]["readers"] == early["pvh_start_info.magic"]["readers"]


def test_who_at_a_machine_that_did_not_die_yet_says_how_the_second_one_died(tmp_path: Path) -> None:
    recording = tmp_path / "asked.json"
    done = pvhdbg("dump", "--stage", "entry", *BUG, "-c", "who pvh_start_info.magic", "-c", f"dump {recording}")
    again = pvhdbg("show", recording, "-c", "who pvh_start_info.magic")

    assert (0, 0) == (done.status, again.status)
    assert "note: the observed guest died, and the answer ends there: triple fault at " in done.out
    assert again.out.strip() in done.out
    assert "the answer ends there: triple fault at " in again.out
