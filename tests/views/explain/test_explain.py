"""Everything that is shown can be explained, under each of its names."""

from __future__ import annotations

from typing import Any

import pytest

from pvhdbg.abi.boot_params import BootParams
from pvhdbg.abi.cpu import REGISTERS
from pvhdbg.abi.e820 import E820_TYPES
from pvhdbg.abi.layout import Field
from pvhdbg.abi.notes import XEN_NOTES
from pvhdbg.abi.roles import STRUCTS
from pvhdbg.abi.setup_header import SetupHeader
from pvhdbg.abi.start_info import ModlistEntry, StartInfo
from pvhdbg.boot.stop import stages
from pvhdbg.boot.stop.protocols import PROTOCOLS
from pvhdbg.boot.stop.stages import Stage
from pvhdbg.errors import UserError
from pvhdbg.views.explain import explain_text, lookup, topics
from pvhdbg.views.rows import boot_params_rows, cpu_rows, map_rows, start_info_rows
from pvhdbg.views.rows.row import Row
from pvhdbg.views.to_json import document_json
from tests import build

EVERY_FIELD = [field for struct in STRUCTS.values() for field in struct.FIELDS]


def titles(name: str) -> list[str]:
    return [each.title for each in lookup.explain(name)]


def topics_of(title: str) -> topics.Explanation:
    return next(each for each in lookup.explain(title.partition(" ")[2]) if title == each.title)


@pytest.mark.parametrize("field", EVERY_FIELD, ids=lambda field: f"{field.owner.C_NAME}.{field.name}")
def test_every_field_is_explained_by_its_c_name(field: Field[Any]) -> None:
    (found,) = lookup.explain(f"{field.owner.C_NAME}.{field.name}")

    assert topics.of_field(field) == found
    assert all((found.title, found.ctype, found.where, found.meaning, found.written_by, found.read_by, found.source))


def test_every_name_that_is_offered_is_explained() -> None:
    answers = [explain_text.answer(name) for name in lookup.names()]

    assert [] == [answer for answer in answers if not answer.strip() or "None" in answer]


def test_every_kind_of_thing_is_listed() -> None:
    listed = lookup.listed()

    assert set(STRUCTS) == set(listed["structures"])
    assert {stages.RESET, *stages.NAMES, stages.DIED} == set(listed["stages"])
    assert {each.name for each in E820_TYPES.names.values()} == set(listed["e820 types"])
    assert {each.name for each in XEN_NOTES.values()} == set(listed["Xen notes"])
    assert set(REGISTERS) < set(listed["registers"])
    assert {"CR0.PE", "CR4.PAE", "EFER.LMA", "EFLAGS.IF"} < set(listed["CPU bits"])


@pytest.mark.parametrize(
    "name",
    [
        "memmap_paddr",
        "hvm_start_info.memmap_paddr",
        "start_info.memmap_paddr",
        "pvh_start_info.memmap_paddr",
        "struct hvm_start_info.memmap_paddr",
        "MEMMAP_PADDR",
        " memmap_paddr ",
    ],
)
def test_a_field_answers_to_each_of_its_names(name: str) -> None:
    assert (topics.of_field(StartInfo.memmap_paddr),) == lookup.explain(name)


@pytest.mark.parametrize(
    "name",
    [
        "setup_header.version",
        "hdr.version",
        "boot_params.hdr.version",
        "kernel_boot_params.hdr.version",
        "pvh_bootparams.hdr.version",
    ],
)
def test_a_field_inside_another_structure_answers_to_the_path(name: str) -> None:
    assert (topics.of_field(SetupHeader.version),) == lookup.explain(name)


def test_an_index_in_a_path_is_left_out() -> None:
    assert (topics.of_field(ModlistEntry.paddr),) == lookup.explain("modules[17].paddr")
    assert ["boot_e820_entry.type"] == titles("boot_params.e820_table[3].type")
    assert ["boot_e820_entry.type"] == titles("boot_params.e820_table[3].type_name")


def test_a_name_that_several_have_gives_all_of_them_in_short() -> None:
    found = titles("version")
    answer = explain_text.answer("version").splitlines()

    assert ["hvm_start_info.version", "setup_header.version", "apm_bios_info.version", "edd_info.version"] == found
    assert "4 things are called version:" == answer[0]
    assert [*found] == [line.split()[0] for line in answer[1:-1]]
    assert "Ask for one by all of its name, as in `explain hvm_start_info.version`." == answer[-1]


def test_two_things_of_one_name_are_both_told_in_full() -> None:
    both = explain_text.answer("kernel")

    assert ["stage kernel", "kernel in a recording"] == titles("kernel")
    assert explain_text.answer("stage kernel") + "\n" + explain_text.answer("kernel in a recording") == both


def test_everything_answers_to_its_title() -> None:
    found = [each.title for name in lookup.names() for each in lookup.explain(name)]

    assert [] == [title for title in found if title not in titles(title)]


def test_a_name_is_repeated_as_text() -> None:
    assert r"4 things are called version[\x1b(0]:" == explain_text.answer("version[\x1b(0]").splitlines()[0]


def test_what_is_written_exactly_so_comes_first() -> None:
    assert ["e820 type RESERVED"] == titles("RESERVED")
    assert "hvm_start_info.reserved" in titles("reserved")
    assert ["CR0.PE"] == titles("cr0.pe")


def test_a_number_is_a_type_or_a_note_however_it_is_written() -> None:
    assert ["Xen note PHYS32_ENTRY"] == titles("18") == titles("0x12") == titles("XEN_ELFNOTE_PHYS32_ENTRY")
    assert ["e820 type RAM", "Xen note ENTRY"] == titles("1")


def test_a_bit_says_what_the_abi_demands_of_it() -> None:
    told = explain_text.answer("CR0.PE")

    assert "bit 0 (0x1) of CR0" in told
    assert "must be 1" in told
    assert "must be 0" in explain_text.answer("EFLAGS.IF")


def test_a_field_s_place_is_told_in_the_outer_structure_too() -> None:
    (found,) = lookup.explain("type_of_loader")

    assert "+0x1f in struct setup_header, +0x210 in boot_params" == found.where
    assert ("0xb", "QEMU", "") in found.values


@pytest.mark.parametrize("name", [*PROTOCOLS, "none"])
def test_each_word_of_protocol_is_explained(name: str) -> None:
    assert [f"protocol {name}"] == titles(name) == titles(name.upper())


def test_a_register_answers_to_its_name_in_32_bit_code_too() -> None:
    assert ["rbx"] == titles("ebx") == titles("EBX") == titles("registers.ebx")
    assert "physical address of struct hvm_start_info" in explain_text.answer("ebx")


def test_a_flag_answers_to_xens_name_of_it_and_to_its_path() -> None:
    assert ["PRIVILEGED"] == titles("SIF_PRIVILEGED") == titles("start_info.flags.PRIVILEGED")
    assert ["LOADED_HIGH"] == titles("hdr.loadflags.LOADED_HIGH")


@pytest.mark.parametrize(
    ("place", "title"),
    [
        ("start_info+0x28", "hvm_start_info.memmap_paddr"),
        ("pvh_start_info + 47", "hvm_start_info.memmap_paddr"),
        ("hdr+0x1f", "setup_header.type_of_loader"),
        ("boot_params.hdr+0x1F", "setup_header.type_of_loader"),
        ("boot_params+0x210", "setup_header.type_of_loader"),
        ("boot_params+0x2e3", "boot_e820_entry.type"),
        ("modules[1]+8", "hvm_modlist_entry.size"),
    ],
)
def test_an_offset_in_a_structure_is_the_field_that_has_the_byte(place: str, title: str) -> None:
    assert [title] == titles(place)


@pytest.mark.parametrize(
    ("place", "hint"),
    [
        ("start_info+56", "hvm_start_info has 56 bytes"),
        ("boot_params+0xffffffff", "boot_params has 4096 bytes"),
        ("olpc_ofw_header+16", "olpc_ofw_header has 16 bytes"),
    ],
)
def test_an_offset_with_no_field_says_how_long_the_structure_is(place: str, hint: str) -> None:
    with pytest.raises(UserError, match="has no field at") as error:
        lookup.explain(place)

    assert hint == error.value.hint


@pytest.mark.parametrize("place", ["start_info+08", "start_info+012", "start_info+0x", "start_info+-1"])
def test_what_is_no_number_is_no_offset(place: str) -> None:
    with pytest.raises(UserError, match="nothing is called"):
        lookup.explain(place)


@pytest.mark.parametrize("stage", [each for each in stages.STAGES if each.symbol])
def test_a_function_is_the_stages_that_are_about_it(stage: Stage) -> None:
    assert f"stage {stage.name}" in titles(stage.symbol or "")


@pytest.mark.parametrize("stage", [stages.RESET, *stages.NAMES, stages.DIED])
def test_a_stage_tells_what_was_before_and_what_comes_next(stage: str) -> None:
    told = topics_of(f"stage {stage}")

    assert ["Before", "Now", "Next"] == [each.partition(":")[0] for each in told.more[:3]]
    assert told.source


def test_every_key_of_a_recording_is_explained() -> None:
    written = document_json.to_dict(build.boot())
    keys = [key for key in written if key != "stops"]
    keys += [f"{outer}.{key}" for outer in ("kernel", "machine", "outcome") for key in written[outer]]
    keys += [f"stops[0].{key}" for key in written["stops"][0]]

    assert [] == [key for key in keys if not lookup.explain(key)]


def test_a_key_of_a_recording_is_not_meant_by_its_last_part() -> None:
    assert ["stage entry"] == titles("entry")
    assert ["kernel.entry in a recording"] == titles("kernel.entry")


def test_what_holds_an_unknown_name_is_near_to_it() -> None:
    with pytest.raises(UserError) as error:
        lookup.explain("EMMAP_PA")

    assert "memmap_paddr" in (error.value.hint or "")


@pytest.mark.parametrize("name", ["VMM", "rfc", "the RFC of 2017", "triple fault", "ud2", "initrd", "Zero Page"])
def test_a_word_that_explanations_use_is_explained(name: str) -> None:
    (found,) = lookup.explain(name)

    assert found.title.startswith("the word ")
    assert found.more


def test_a_word_that_is_also_a_stage_is_told_as_both() -> None:
    assert ["stage e820", "the word e820"] == titles("e820")


def test_an_unknown_name_is_an_error_that_names_the_nearest() -> None:
    with pytest.raises(UserError) as error:
        lookup.explain("memap_padr")

    assert 'nothing is called "memap_padr"' == str(error.value)
    assert "memmap_paddr" in (error.value.hint or "")


@pytest.mark.parametrize("name", ["", ".", "[", "\x1b[2J", "\0", "é" * 5000, "9" * 5000, "hdr..version"])
def test_no_name_is_too_odd_to_be_refused(name: str) -> None:
    with pytest.raises(UserError) as error:
        lookup.explain(name)

    assert "\x1b" not in str(error.value)
    assert len(str(error.value)) < 400


def test_no_line_is_wider_than_asked() -> None:
    assert max(map(len, explain_text.listing(60).splitlines()[:-1])) <= 60
    assert max(map(len, explain_text.whole(topics.of_field(BootParams.e820_table), 60)[1:])) <= 60


def every_row() -> list[Row]:
    run = build.boot()
    rows: list[Row] = []
    for stop in run.stops:
        rows += start_info_rows.start_info_rows(stop) + start_info_rows.start_info_rows(stop, "pvh_start_info")
        rows += start_info_rows.module_rows(stop) + map_rows.memory_map_rows(stop, fields=True)
        rows += map_rows.e820_rows(stop, fields=True) + cpu_rows.cpu_rows(stop)
        rows += boot_params_rows.boot_params_rows(stop)
        rows += boot_params_rows.boot_params_rows(stop, "kernel_boot_params")
    return rows


def test_every_row_of_every_view_is_explained() -> None:
    rows = every_row()

    assert len(rows) > 500
    assert [] == [row.path for row in rows if lookup.of_row(row) is None]


def test_a_row_of_a_field_is_explained_as_the_field_is() -> None:
    row = next(each for each in every_row() if each.path == "start_info.magic")

    assert topics.of_field(StartInfo.magic) == lookup.of_row(row)
