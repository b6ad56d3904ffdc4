"""Paths of fields, and the bytes that they stand for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pvhdbg.boot.who import request
from pvhdbg.boot.who.fields import FieldBytes, Fields
from pvhdbg.errors import UserError
from pvhdbg.live.observe.regions import passed_by_vmm
from tests import build

if TYPE_CHECKING:
    from pvhdbg.boot.stop.capture import Capture

CAPTURE = build.boot().stops[2]
FIELDS = Fields(CAPTURE)
LISTS = ("modules", "memory_map.entries")
BOOT_PARAMS = (CAPTURE.boot_params and CAPTURE.boot_params.at) or 0


def test_every_byte_of_a_structure_is_in_one_field() -> None:
    covered = sorted((field.paddr, field.end) for field in FIELDS.all if field.path.startswith("boot_params."))
    ends = [end for _, end in covered]

    assert BOOT_PARAMS > 0
    assert [BOOT_PARAMS, *ends[:-1]] == [start for start, _ in covered]
    assert BOOT_PARAMS + 4096 == ends[-1]


@pytest.mark.parametrize("head", ["boot_params", "pvh_bootparams"])
def test_the_kernels_name_and_the_name_in_the_json_are_the_same(head: str) -> None:
    expected = (FieldBytes("boot_params.hdr.cmd_line_ptr", BOOT_PARAMS + 0x228, 4),)

    assert expected == FIELDS.find(f"{head}.hdr.cmd_line_ptr")


def test_a_structure_stands_for_its_fields() -> None:
    paths = [field.path.rpartition(".")[2] for field in FIELDS.find("boot_params.e820_table[2]")]

    assert ["addr", "size", "type"] == paths


def test_a_field_is_found_by_an_address_in_it() -> None:
    assert "boot_params.hdr.cmd_line_ptr+0x3" == FIELDS.path_at(BOOT_PARAMS + 0x22B)
    assert FIELDS.path_at(0xFFFFFFFF) is None


@pytest.mark.parametrize("text", ["boot_params.nothing", "start_inf", "boot_params.hdr.", "", "\x1b[2J"])
def test_an_unknown_path_is_an_error_without_control_characters(text: str) -> None:
    with pytest.raises(UserError, match="no such field") as error:
        FIELDS.find(text)

    assert str(error.value).isprintable()


@pytest.mark.parametrize(
    ("capture", "text", "hint"),
    [
        (CAPTURE._replace(modules=()), "modules[0].paddr", "this boot has no module; pass one with -i FILE"),
        (CAPTURE, "modules[7].paddr", "use index 0: there are no others"),
        (CAPTURE, "memory_map.entries[99].addr", "use an index from 0 to "),
        (CAPTURE, "memory_map.entries[1].adr", "did you mean memory_map.entries[1].addr"),
        (CAPTURE, "modules[x", "use index 0"),
    ],
)
def test_the_hint_says_how_long_a_list_is(capture: Capture, text: str, hint: str) -> None:
    with pytest.raises(UserError) as error:
        Fields(capture).find(text)

    assert (error.value.hint or "").startswith(hint)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("cmd_line_ptr", "boot_params.hdr.cmd_line_ptr"),
        ("rsdp", "start_info.rsdp_paddr"),
        ("boot_params.hdr.cmdline_ptr", "boot_params.hdr.cmd_line_ptr"),
        ("pvh_bootparams.e820_tabel", "boot_params.e820_table"),
    ],
)
def test_the_hint_names_the_path_that_the_user_meant(text: str, meant: str) -> None:
    with pytest.raises(UserError) as error:
        FIELDS.find(text)

    assert (error.value.hint or "").startswith("did you mean ")
    assert meant in (error.value.hint or "")


def test_without_a_path_that_is_near_the_hint_says_what_a_path_looks_like() -> None:
    with pytest.raises(UserError) as error:
        FIELDS.find("xyzzy")

    assert (error.value.hint or "").startswith("use a path such as ")


def test_an_address_stands_for_its_field_and_with_a_length_for_its_bytes() -> None:
    paddr = BOOT_PARAMS + 0x22A

    assert FIELDS.find("boot_params.hdr.cmd_line_ptr") == request.fields_of(f"{paddr:#x}", FIELDS, None)
    assert (FieldBytes(f"{paddr:#x}", paddr, 3),) == request.fields_of(f"{paddr},3", FIELDS, None)


@pytest.mark.parametrize("text", ["0x10,0", "0x10,4097", "1,2,3", "08", "0x10,x", "0x10000000000000000"])
def test_an_impossible_address_is_refused_before_anything_is_started(text: str) -> None:
    with pytest.raises(UserError, match="LENGTH"):
        request.check(text)


def test_an_address_without_boot_data_is_an_error() -> None:
    with pytest.raises(UserError, match="0x7 is not in the boot data"):
        request.fields_of("7", FIELDS, None)


def test_only_the_first_items_of_long_lists_have_fields_and_a_text_says_so() -> None:
    entry = build.boot().stops[0]
    assert entry.modules
    assert entry.memory_map
    long = entry._replace(
        modules=(entry.modules[0],) * 4_096,
        memory_map=entry.memory_map._replace(entries=(entry.memory_map.entries[0],) * 16_384),
    )
    fields, watched = Fields(long), sum(region.size for region in passed_by_vmm(long))

    assert ["modules: the first 64 of 4096", "memory_map.entries: the first 512 of 16384"] == [*fields.left_out]
    assert (64, 512) == tuple(len({f.path[: f.path.find("]")] for f in fields.find(path)}) for path in LISTS)
    assert watched < 128 << 10
    assert fields.left_out == request.left_out(request.ALL, fields)
    assert fields.left_out[:1] == request.left_out("modules", fields)
    assert () == request.left_out("start_info", fields)
    with pytest.raises(UserError) as error:
        fields.find("modules[64].paddr")
    assert "modules: the first 64 of 4096" in str(error.value.hint)
