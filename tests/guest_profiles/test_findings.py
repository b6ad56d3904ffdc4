"""What `check` says about small guests whose boot data breaks what only they demand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi.start_info import MAGIC
from pvhdbg.guest_profiles.table import PROFILES, named
from tests.cli.shell import Run, pvhdbg
from tests.guest_profiles.small import OVERWRITTEN, small

if TYPE_CHECKING:
    from pathlib import Path


def check(name: str, folder: Path, *words: str) -> Run:
    profile = named(name)
    assert profile is not None
    (folder / name).write_bytes(small(profile))
    return pvhdbg("check", folder / name, *words, "--format", "json")


def codes(done: Run, stop: int = 0) -> list[str]:
    return [finding["code"] for finding in done.document["stops"][stop]["findings"]]


def test_what_alioth_hands_over_is_where_osv_writes_and_osv_overwrites_it(tmp_path: Path) -> None:
    done = check("osv", tmp_path, "--vmm", "alioth")
    entry, _, after, _ = done.document["stops"]
    fields = [finding["field"] for finding in entry["findings"] if finding["code"] == "PVH619"]
    (magic,) = [finding["message"] for finding in after["findings"] if finding["code"] == "PVH101"]

    assert ["start_info", "cmdline", "memory_map"] == fields
    assert (MAGIC, OVERWRITTEN) == (entry["start_info"]["magic"], after["start_info"]["magic"])
    assert "OSv does not check it" in magic
    assert "Linux" not in magic


def test_a_command_line_that_fills_netbsds_page_is_found(tmp_path: Path) -> None:
    done = check("netbsd", tmp_path, "--append", "x" * 4000)

    assert (1, 1) == (done.status, codes(done).count("PVH614"))
    assert "PVH322" not in codes(done)


def test_version_0_is_found_for_freebsd(tmp_path: Path) -> None:
    assert "PVH611" in codes(check("freebsd", tmp_path, "--protocol", "v0"))


def test_each_guest_has_its_own_words_for_a_wrong_magic() -> None:
    words = {profile.wrong_magic for profile in PROFILES}

    assert 7 <= len(words)
    assert not any(text.endswith(".") for text in words)
