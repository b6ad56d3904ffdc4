"""Fields that control what the kernel does: `--set` has the effect that `who` lists, or the guest dies at a reader."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.shell import pvhdbg
from tests.live.observe.test_who_run import changed, command, document, observed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

RELEASES = ["6.1", "6.12"]
EFFECTS = {
    "version=2": set(),
    "nr_modules=2": set(),  # init_pvh_bootparams uses only the first module
    "nr_modules=0": {"boot_params.hdr.ramdisk_image", "boot_params.hdr.ramdisk_size"},
    "memmap_entries=4": {"boot_params.e820_entries"},
}
"""What of pvh_bootparams changes, apart from e820_table. The boot has one module, and six entries in its map."""


@pytest.mark.parametrize("change", EFFECTS)
@pytest.mark.parametrize("release", RELEASES)
def test_a_count_or_a_version_changes_what_the_source_makes_depend_on_it(
    change: str, release: str, initrd: Path, find_vmlinux: Callable[[str], Path]
) -> None:
    words = command(release, "microvm", initrd, find_vmlinux)
    found = observed(words)
    before = document(words)
    after = document((*words, "--set", f"start_info.{change}", "--force"))
    different = changed(before, after, found)
    fields = {
        answer.path
        for answer in found.answers
        if not different.isdisjoint(range(answer.paddr, answer.paddr + answer.size))
    }
    table = {path for path in fields if path.startswith("boot_params.e820_table[")}
    field = change.partition("=")[0]

    assert EFFECTS[change] == fields - table
    # The first lost entry is replaced by the range of the ISA area, which was the last entry before.
    assert {index(path) for path in table} - {5} == ({4, 6} if field == "memmap_entries" else set())
    assert found.links[f"pvh_start_info.{field}"].readers


def index(path: str) -> int:
    return int(path.partition("[")[2].partition("]")[0])


@pytest.mark.parametrize(
    ("change", "read"),
    [
        ("modlist_paddr=0x40000000", "modules[0]."),
        ("memmap_paddr=0x40000000", "memory_map.entries[0]."),
    ],
)
@pytest.mark.parametrize("release", RELEASES)
def test_with_a_list_outside_of_memory_the_guest_dies_at_an_instruction_that_reads_it(
    change: str, read: str, release: str, initrd: Path, find_vmlinux: Callable[[str], Path]
) -> None:
    words = command(release, "microvm", initrd, find_vmlinux)
    readers = {
        reader.code.rip
        for answer in observed(words).answers
        if answer.path.startswith(read)
        for reader in answer.readers
    }

    assert readers
    assert death((*words, "--set", f"start_info.{change}", "--force")) in readers


@pytest.mark.parametrize("change", ["magic=1", "version=0", "memmap_entries=0"])
@pytest.mark.parametrize("release", RELEASES)
def test_without_a_magic_or_a_map_the_guest_dies_in_the_function_that_reads_them(
    change: str, release: str, initrd: Path, find_vmlinux: Callable[[str], Path]
) -> None:
    words = command(release, "microvm", initrd, find_vmlinux)
    readers = observed(words).links[f"pvh_start_info.{change.partition('=')[0]}"].readers
    functions = {(reader.code.symbol or "").partition("+")[0] for reader in readers}
    done = pvhdbg("dump", *words, "--stage", "bootparams", "--set", f"start_info.{change}", "--force")

    assert {"xen_prepare_pvh"} == functions
    assert 1 == done.status
    assert "xen_prepare_pvh+" in done.err


def death(words: tuple[str, ...]) -> Any:  # noqa: ANN401 - JSON
    """Return where the guest died."""
    done = pvhdbg("dump", *words, "--stage", "bootparams", "--format", "json")
    assert 1 == done.status
    assert "died" == done.document["outcome"]["ended"]
    return done.document["stops"][-1]["rip"]
