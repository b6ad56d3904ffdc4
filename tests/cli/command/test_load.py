"""`--load`: pvhdbg loads a file that QEMU would refuse or start in another way, and it boots via PVH."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pvhdbg.abi.start_info import MAGIC
from tests.cli.shell import pvhdbg
from tests.image.builder import ENTRY
from tests.image.crafted import CRAFTED

if TYPE_CHECKING:
    from pathlib import Path

REFUSED = (
    "HdrS at 0x202",
    "multiboot, 64 bit",
    "multiboot, 32 bit",
    "e_flags 4",
    "p_align 0",
    "p_align 8, padded to 4",
)


@pytest.mark.parametrize("machine", ["microvm", "q35"])
def test_xen_is_at_its_entry_and_its_image_is_intact(machine: str, xen_shim: Path) -> None:
    done = pvhdbg("dump", xen_shim, "--load", "-M", machine, "--stage", "entry", "--format", "json")
    (stop,) = done.document["stops"]
    kernel = done.document["kernel"]

    assert (0, "") == (done.status, done.err)
    assert (kernel["entry"], "protected32", MAGIC) == (stop["rip"], stop["cpu_mode"], stop["start_info"]["magic"])
    assert ("xen-guest", []) == (kernel["guest"], stop.get("overwritten", []))
    assert "console=ttyS0 earlyprintk=ttyS0" == stop["cmdline"]
    assert f"loader,file={xen_shim}" in done.document["machine"]["argv"]


def test_xen_without_xen_runs_in_long_mode_before_it_dies(xen_shim: Path) -> None:
    done = pvhdbg("check", xen_shim, "--load", "-M", "q35", "--format", "json")
    died = done.document["stops"][-1]

    assert (1, "died", "long64") == (done.status, died["stage"], died["cpu_mode"])
    assert "PVH618" in done.out


def test_the_refusal_of_a_guest_that_needs_xen_says_so(xen_shim: Path) -> None:
    hint = pvhdbg("dump", xen_shim).err.splitlines()[-1]

    assert "with --load (QEMU is not Xen: Xen asks its VMM for the memory map with a hypercall, and crashes)" in hint


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_qemu_does_not_start_via_pvh_is_at_its_entry(name: str, tmp_path: Path) -> None:
    path = tmp_path / "a, kernel"
    path.write_bytes(CRAFTED[name].data)
    refused = pvhdbg("dump", path)
    done = pvhdbg("dump", path, "--load", "--stage", "entry", "--format", "json")
    (stop,) = done.document["stops"]

    assert (1, 1) == (refused.status, refused.err.count(", or let pvhdbg load the file with --load"))
    assert (0, ENTRY, MAGIC) == (done.status, stop["rip"], stop["start_info"]["magic"])


def test_the_teaching_guest_boots_as_without_it() -> None:
    plain, loaded = (pvhdbg("dump", *words, "--format", "json") for words in ((), ("--load",)))
    params, same = (done.document["stops"][2]["boot_params"] for done in (plain, loaded))

    assert (0, 0) == (plain.status, loaded.status)
    assert ["entry", "prepare", "bootparams", "kernel", "e820"] == [stop["stage"] for stop in loaded.document["stops"]]
    assert params == same
    assert plain.document["stops"][0]["rip"] == loaded.document["stops"][0]["rip"]


def test_a_file_without_a_note_is_still_rejected(tmp_path: Path) -> None:
    path = tmp_path / "kernel"
    path.write_bytes(CRAFTED["no note 18"].data)
    refused, loaded = pvhdbg("dump", path), pvhdbg("dump", path, "--load")

    assert (1, 1, "") == (refused.status, loaded.status, loaded.out)
    assert "no PHYS32_ENTRY note" in loaded.err
    assert "--load" not in refused.err


def test_a_forced_file_without_a_note_has_nothing_to_jump_to(tmp_path: Path) -> None:
    path = tmp_path / "kernel"
    path.write_bytes(CRAFTED["no note 18"].data)
    done = pvhdbg("dump", path, "--load", "--force")

    assert 1 == done.status
    assert "no PVH entry to jump to" in done.err
