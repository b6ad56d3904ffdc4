"""`pvhdbg who` of the teaching guest, and its errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pvhdbg import guest
from tests.cli.shell import pvhdbg

if TYPE_CHECKING:
    from pathlib import Path


def test_a_field_names_the_instruction_and_the_input_field() -> None:
    done = pvhdbg("who", "pvh_bootparams.hdr.cmd_line_ptr")

    assert (0, "") == (done.status, done.err)
    assert "by init_pvh_bootparams" in done.out
    assert "register: the value of pvh_start_info.cmdline_paddr" in done.out


def test_what_set_wrote_is_named() -> None:
    done = pvhdbg("who", "start_info.flags", "--set", "start_info.flags=3")

    assert 0 == done.status
    assert "written  0x3 by pvhdbg (--set, --protocol or --vmm)" in done.out


def test_all_is_a_table_with_the_kernel_as_the_only_argument(nameless: Path) -> None:
    done, lacking = pvhdbg("who", "--all"), pvhdbg("who", "--all", nameless)

    assert 0 == done.status
    assert "field" == done.out.split()[0]
    assert (1, "") == (lacking.status, lacking.out)
    assert "this guest has no stage" in lacking.err


@pytest.mark.parametrize("path", ["e820_table", "kernel_boot_params.hdr"])
def test_a_guest_without_a_later_stage_is_refused_in_one_line(path: str, nameless: Path) -> None:
    done = pvhdbg("who", path, nameless)

    assert (1, "") == (done.status, done.out)
    assert "this guest has no stage" in done.err


def test_unread_lists_what_the_guest_did_not_read() -> None:
    done = pvhdbg("who", "--unread")
    heading, *rows = done.out.splitlines()
    paths = [line.split()[0] for line in rows]

    assert 0 == done.status
    assert heading.startswith("not read up to the return from xen_prepare_pvh")
    assert "memory_map.entries[0].reserved" in paths
    assert "memory_map.entries[0].addr" not in paths


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ([], "FIELD is missing"),
        ([str(guest.ELF)], f"{guest.ELF}: a file, not a field"),
        (["--all", "--unread"], "use one of FIELD, --all and --unread"),
        (["boot_params.x", "--all", "--unread"], "use one of"),
        (["0x10,0"], 'invalid LENGTH "0"'),
        (["boot_params.nothing"], "boot_params.nothing: no such field of the boot data"),
        (["0x7"], "0x7 is not in the boot data"),
    ],
)
def test_a_wrong_call_is_an_error_in_one_line(words: list[str], error: str) -> None:
    done = pvhdbg("who", *words)

    assert (2, "") == (done.status, done.out)
    assert f"pvhdbg: error: {error}" in done.err


@pytest.mark.usefixtures("kvm")
def test_kvm_is_refused_with_a_hint_to_use_tcg() -> None:
    done = pvhdbg("who", "start_info.magic", "--accel", "kvm")

    assert 2 == done.status
    assert "use TCG" in done.err


def test_a_guest_that_dies_before_the_return_is_reported(dying: Path) -> None:
    done = pvhdbg("who", "start_info.magic", dying)

    assert 1 == done.status
    assert "the guest died" in done.err
