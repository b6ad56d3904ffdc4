"""A guest of each profile, built from what the profile says, runs through the profile's stages in QEMU."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from pvhdbg.guest_profiles.table import OTHER, PROFILES
from tests.cli.shell import Run, pvhdbg
from tests.guest_profiles.small import FUNCTIONS, OVERWRITTEN, functions_of, small

if TYPE_CHECKING:
    from pathlib import Path

    from pvhdbg.guest_profiles.profile import GuestProfile

FOREIGN = [profile for profile in PROFILES if not profile.boots_like_linux and profile is not OTHER]


def stops_of(done: Run) -> dict[str, Any]:
    return {stop["stage"]: stop for stop in done.document["stops"]}


@pytest.mark.parametrize("profile", FOREIGN, ids=lambda profile: profile.name)
def test_each_stage_is_at_the_function_that_the_profile_names(profile: GuestProfile, tmp_path: Path) -> None:
    (tmp_path / "guest").write_bytes(small(profile))
    done = pvhdbg("dump", tmp_path / "guest", "--format", "json", "--timeout", "60")
    stops = stops_of(done)

    assert (0, "", profile.name) == (done.status, done.err, done.document["kernel"]["guest"])
    assert ["entry", *(stage.name for stage in profile.stages)] == [*stops]
    for stage in profile.stages:
        at = FUNCTIONS + functions_of(profile).index(stage.function) * 0x40
        assert stage.returns or at == stops[stage.name]["rip"]
    start_info = stops["entry"]["start_info"]
    if profile.argument:
        assert start_info["paddr"] == stops["prepare"]["registers"][profile.argument]
    for variable in profile.variables:
        for stage_name in variable.stages:
            assert start_info == stops[stage_name][variable.key]
    assert all(stop["boot_params"] is None for stop in stops.values())


def test_osv_overwrites_what_the_vmm_put_where_osv_writes(tmp_path: Path) -> None:
    (osv,) = [profile for profile in PROFILES if profile.name == "osv"]
    (tmp_path / "guest").write_bytes(small(osv))
    done = pvhdbg("dump", tmp_path / "guest", "-c", "code 0x1000", "-c", "code 0x2000")

    assert 8 == len(re.findall(f":  {OVERWRITTEN & 0xFF:x} ", done.out))


def test_a_text_names_the_guest_and_its_functions(tmp_path: Path) -> None:
    (freebsd,) = [profile for profile in PROFILES if profile.name == "freebsd"]
    (tmp_path / "guest").write_bytes(small(freebsd))
    done = pvhdbg("dump", tmp_path / "guest", "-c", "stages")
    report = pvhdbg("dump", tmp_path / "guest")

    assert (0, "") == (report.status, report.err)
    assert "\n  FreeBSD, elf, 64-bit ELF, entry 0x100000\n" in report.out
    assert "\nprepare: the first instruction of hammer_time_xen\n" in report.out
    assert "\n  the variable start_info points to start_info at 0x" in report.out
    assert "e820" in done.out.splitlines()[-1]
    assert "FreeBSD has none" in done.out.splitlines()[-1]


def test_a_stage_that_the_guest_never_has_is_an_error_only_if_it_is_named(grub_image: Path) -> None:
    whole = pvhdbg("dump", grub_image)
    named = pvhdbg("dump", grub_image, "--stage", "kernel")

    assert (0, 1) == (whole.status, named.status)
    assert 1 == len(whole.err.splitlines())
    assert "no symbol grub_xen_setup_pvh" in whole.err
    assert "error: this guest has no stage kernel: GRUB's main function, grub_main, itself calls" in named.err


@pytest.mark.parametrize("name", ["freebsd", "netbsd", "xen-guest", "nanos"])
def test_a_recording_of_another_guest_shows_what_was_dumped(name: str, tmp_path: Path) -> None:
    (profile,) = [known for known in PROFILES if known.name == name]
    (tmp_path / "guest").write_bytes(small(profile))
    saved = pvhdbg("dump", tmp_path / "guest", "-o", tmp_path / "recording.json")
    shown = pvhdbg("show", tmp_path / "recording.json")

    assert (0, 0) == (saved.status, shown.status)
    assert [f"{stage.name}: {stage.about}" for stage in profile.stages] == [
        line for line in shown.out.splitlines() if line.startswith(("prepare: ", "bootparams: ", "kernel: "))
    ]
    assert "missing" not in shown.out


def test_inspect_names_the_guest_its_stages_and_its_variable(tmp_path: Path) -> None:
    (netbsd,) = [profile for profile in PROFILES if profile.name == "netbsd"]
    (tmp_path / "guest").write_bytes(small(netbsd))
    lines = [" ".join(line.split()) for line in pvhdbg("inspect", tmp_path / "guest").out.splitlines()]

    assert "guest NetBSD" in lines
    assert f"prepare {FUNCTIONS:#x} the first instruction of init_xen_early" in lines
    assert "e820 NetBSD has none not a stage of this guest" in lines
    assert any(line.startswith("hvm_start_paddr 0x100800 the physical address of start_info") for line in lines)
