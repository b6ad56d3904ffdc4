"""`explain` knows everything that a view shows, by each of its names."""

from __future__ import annotations

from typing import Any

import pytest

from pvhdbg.abi.boot_params import BootParams
from pvhdbg.abi.cpu import REGISTERS
from pvhdbg.abi.e820 import E820_TYPES
from pvhdbg.abi.layout import Field
from pvhdbg.abi.notes import XEN_NOTES
from pvhdbg.abi.roles import STRUCTS, STRUCTURES, has_own_role
from pvhdbg.abi.setup_header import SetupHeader
from pvhdbg.abi.start_info import ModlistEntry, StartInfo
from pvhdbg.boot.stop import stages
from pvhdbg.boot.stop.protocols import PROTOCOLS
from pvhdbg.boot.stop.stages import Stage
from pvhdbg.errors import UserError
from pvhdbg.guest_profiles.table import PROFILES
from pvhdbg.views.explain import explain_text, lookup, term_topics, topics
from pvhdbg.views.explain.topic import Explanation
from pvhdbg.views.rows import boot_params_rows, cpu_rows, map_rows, start_info_rows
from pvhdbg.views.rows.row import Row
from pvhdbg.views.to_json import document_json
from tests import build

EVERY_FIELD = [field for struct in STRUCTS.values() for field in struct.FIELDS]


def titles(name: str) -> list[str]:
    return [explanation.title for explanation in lookup.explain(name)]


def explanation_titled(title: str) -> Explanation:
    return next(about for about in lookup.explain(title.partition(" ")[2]) if title == about.title)


@pytest.mark.parametrize("field", EVERY_FIELD, ids=lambda field: f"{field.owner.C_NAME}.{field.name}")
def test_every_field_is_explained_by_its_c_name(field: Field[Any]) -> None:
    (about,) = lookup.explain(f"{field.owner.C_NAME}.{field.name}")

    assert topics.of_field(field) == about
    assert all((about.title, about.ctype, about.where, about.meaning, about.written_by, about.read_by, about.source))


def test_topics_that_are_listed_together_have_meanings() -> None:
    listed = [topics_ for name in lookup.names() if len(topics_ := lookup.explain(name)) > 2]

    assert listed
    assert [] == [about.title for topics_ in listed for about in topics_ if not about.meaning]


def test_every_name_that_completion_offers_is_explained() -> None:
    answers = [explain_text.answer(name) for name in lookup.names()]

    assert [] == [answer for answer in answers if not answer.strip() or "None" in answer]


def test_the_list_of_names_has_every_kind_of_topic() -> None:
    names = lookup.names_by_kind()

    assert set(STRUCTS) == set(names["structures"])
    assert {stages.RESET, *stages.NAMES, stages.DIED} == set(names["stages"])
    assert {profile.name for profile in PROFILES} == set(names["guests"])
    assert {known.name for known in E820_TYPES.names.values()} == set(names["e820 types"])
    assert {note.name for note in XEN_NOTES.values()} == set(names["Xen notes"])
    assert set(REGISTERS) < set(names["registers"])
    assert {"CR0.PE", "CR4.PAE", "EFER.LMA", "EFLAGS.IF"} < set(names["CPU bits"])


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
def test_a_field_has_an_explanation_under_each_of_its_names(name: str) -> None:
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
def test_a_field_of_a_nested_structure_has_an_explanation_under_its_path(name: str) -> None:
    assert (topics.of_field(SetupHeader.version),) == lookup.explain(name)


def test_an_index_in_a_path_is_ignored() -> None:
    assert (topics.of_field(ModlistEntry.paddr),) == lookup.explain("modules[17].paddr")
    assert ["boot_e820_entry.type"] == titles("boot_params.e820_table[3].type")
    assert ["boot_e820_entry.type"] == titles("boot_params.e820_table[3].type_name")


def test_a_name_of_more_than_two_topics_lists_them() -> None:
    matches = titles("version")
    answer = explain_text.answer("version").splitlines()

    assert ["hvm_start_info.version", "setup_header.version", "apm_bios_info.version", "edd_info.version"] == matches
    assert "4 topics have the name version:" == answer[0]
    assert matches == [line.split()[0] for line in answer[1:-1]]
    assert "Pass the full name of one of them, for example `explain hvm_start_info.version`." == answer[-1]


def test_two_topics_with_the_same_name_are_both_explained_in_full() -> None:
    both = explain_text.answer("kernel")

    assert ["stage kernel", "kernel in a recording"] == titles("kernel")
    assert explain_text.answer("stage kernel") + "\n" + explain_text.answer("kernel in a recording") == both


def test_every_topic_is_found_by_its_title() -> None:
    all_titles = [explanation.title for name in lookup.names() for explanation in lookup.explain(name)]

    assert [] == [title for title in all_titles if title not in titles(title)]


def test_control_characters_in_a_name_are_escaped() -> None:
    assert r"4 topics have the name version[\x1b(0]:" == explain_text.answer("version[\x1b(0]").splitlines()[0]


def test_an_exact_match_is_preferred_to_a_match_in_another_case() -> None:
    assert ["e820 type RESERVED"] == titles("RESERVED")
    assert "hvm_start_info.reserved" in titles("reserved")
    assert ["CR0.PE"] == titles("cr0.pe")


def test_a_number_finds_a_type_or_a_note_in_decimal_and_in_hex() -> None:
    assert (
        ["Xen note PHYS32_ENTRY"]
        == titles("18")
        == titles("0x12")
        == titles("022")
        == titles("18UL")
        == titles("XEN_ELFNOTE_PHYS32_ENTRY")
    )
    assert ["e820 type RAM", "Xen note ENTRY"] == titles("1")


def test_the_explanation_of_a_bit_has_the_value_that_the_abi_requires() -> None:
    answer = explain_text.answer("CR0.PE")

    assert "bit 0 (0x1) of CR0" in answer
    assert "must be 1" in answer
    assert "must be 0" in explain_text.answer("EFLAGS.IF")


def test_the_explanation_of_a_nested_field_has_its_offset_in_the_outer_structure_too() -> None:
    (about,) = lookup.explain("type_of_loader")

    assert "+0x1f in struct setup_header, +0x210 in boot_params" == about.where
    assert ("0xb", "QEMU", "") in about.values


@pytest.mark.parametrize("name", [*PROTOCOLS, "none"])
def test_every_value_of_protocol_is_explained(name: str) -> None:
    assert [f"protocol {name}"] == titles(name) == titles(name.upper())


def test_a_register_is_found_by_its_name_in_32_bit_code_too() -> None:
    assert ["rbx"] == titles("ebx") == titles("EBX") == titles("registers.ebx")
    assert "physical address of struct hvm_start_info" in explain_text.answer("ebx")


def test_a_flag_is_found_by_xens_name_and_by_its_path() -> None:
    assert ["PRIVILEGED"] == titles("SIF_PRIVILEGED") == titles("start_info.flags.PRIVILEGED")
    assert ["LOADED_HIGH"] == titles("hdr.loadflags.LOADED_HIGH")


@pytest.mark.parametrize(
    ("place", "title"),
    [
        ("start_info+0x28", "hvm_start_info.memmap_paddr"),
        ("start_info+050", "hvm_start_info.memmap_paddr"),
        ("pvh_start_info + 47", "hvm_start_info.memmap_paddr"),
        ("hdr+0x1f", "setup_header.type_of_loader"),
        ("boot_params.hdr+0x1F", "setup_header.type_of_loader"),
        ("boot_params+0x210", "setup_header.type_of_loader"),
        ("boot_params+0x2e3", "boot_e820_entry.type"),
        ("modules[1]+8", "hvm_modlist_entry.size"),
    ],
)
def test_an_offset_finds_the_field_that_contains_the_byte(place: str, title: str) -> None:
    assert [title] == titles(place)


@pytest.mark.parametrize(
    ("place", "hint"),
    [
        ("start_info+56", "pass an offset below 0x38, the size of struct hvm_start_info"),
        ("boot_params+0xffffffff", "pass an offset below 0x1000, the size of struct boot_params"),
        ("olpc_ofw_header+16", "pass an offset below 0x10, the size of struct olpc_ofw_header"),
    ],
)
def test_an_offset_beyond_the_end_is_an_error_whose_hint_has_the_size(place: str, hint: str) -> None:
    with pytest.raises(UserError, match="has no field at") as error:
        lookup.explain(place)

    assert hint == error.value.hint


@pytest.mark.parametrize("place", ["start_info+08", "start_info+0x1g", "start_info+0x", "start_info+-1"])
def test_an_invalid_number_is_not_an_offset(place: str) -> None:
    with pytest.raises(UserError, match="unknown name"):
        lookup.explain(place)


@pytest.mark.parametrize("stage", [stage for stage in stages.STAGES if stage.symbol])
def test_the_name_of_a_function_finds_its_stages(stage: Stage) -> None:
    assert f"stage {stage.name}" in titles(stage.symbol or "")


@pytest.mark.parametrize("stage", [stages.RESET, *stages.NAMES, stages.DIED])
def test_the_explanation_of_a_stage_describes_what_happened_before_and_what_comes_next(stage: str) -> None:
    about = explanation_titled(f"stage {stage}")

    assert ["Before", "Now", "Next"] == [paragraph.partition(":")[0] for paragraph in about.details[:3]]
    assert about.source


def test_every_key_of_a_recording_is_explained() -> None:
    written = document_json.to_dict(build.boot())
    keys = [key for key in written if key != "stops"]
    keys += [f"{outer}.{key}" for outer in ("kernel", "machine", "outcome") for key in written[outer]]
    keys += [f"stops[0].{key}" for key in written["stops"][0]]

    assert [] == [key for key in keys if not lookup.explain(key)]


def test_a_key_of_a_recording_is_found_only_by_its_full_path() -> None:
    assert ["stage entry"] == titles("entry")
    assert ["kernel.entry in a recording"] == titles("kernel.entry")


def test_the_hint_for_a_part_of_a_name_suggests_the_whole_name() -> None:
    with pytest.raises(UserError) as error:
        lookup.explain("EMMAP_PA")

    assert "memmap_paddr" in (error.value.hint or "")


@pytest.mark.parametrize(
    "name",
    [
        *("VMM", "rfc", "the 2017 RFC", "triple fault", "BUG()", "initrd", "Zero Page", "handover", "loader"),
        *("teaching guest", "preflight", "verdict", "question"),
    ],
)
def test_a_term_that_explanations_use_is_explained(name: str) -> None:
    (about,) = lookup.explain(name)

    assert about.title.startswith("term ")
    assert about.details


def test_the_text_of_a_structure_continues_the_sentence_of_its_fields() -> None:
    shared = [struct for struct in STRUCTS if any(not has_own_role(struct, it.name) for it in STRUCTS[struct].FIELDS)]

    assert len(shared) > 5
    assert {"Describes", "Holds"} == {STRUCTURES[struct].text.split()[0] for struct in shared}
    assert "Part of struct ist_info, which describes how to change the CPU speed. " in " ".join(
        explain_text.answer("perf_level").split()
    )


def test_several_names_are_each_explained() -> None:
    answers = [explain_text.answer(name) for name in ("entry", "direct map", "kernel")]

    assert f"{answers[0]}\n{answers[2]}" == explain_text.answer("entry kernel")
    assert answers[1] == explain_text.answer(" direct map")


@pytest.mark.parametrize(
    ("line", "name", "hint"),
    [
        ("magic prepar", "prepar", "did you mean `prepare` or `xen_prepare_pvh`?"),
        ("direct mapp", "direct mapp", "did you mean `direct map` or `identity map`?"),
        ("page fautl", "page fautl", "did you mean `page fault`, `page tables` or `triple fault`?"),
        ("nothing whatsoever", "nothing whatsoever", "run `explain` without a name to list all names"),
    ],
)
def test_an_unknown_word_among_names_is_an_error(line: str, name: str, hint: str) -> None:
    with pytest.raises(UserError) as error:
        explain_text.answer(line)

    assert (f'unknown name: "{name}"', hint) == (str(error.value), error.value.hint)


def test_a_hint_suggests_at_most_three_names() -> None:
    with pytest.raises(UserError) as error:
        lookup.explain("magc")

    assert "did you mean `magic`, `cl_magic` or `AC`?" == error.value.hint


def test_a_name_of_a_term_and_a_stage_explains_both() -> None:
    assert ["stage e820", "term e820"] == titles("e820")


def test_an_explanation_refers_to_the_terms_that_it_uses() -> None:
    assert ["triple fault", "ramdisk"] == term_topics.mentioned(
        Explanation("a test", details=("Triple faults, and e820_table.",), read_by="initramfs, initrd")
    )
    assert "  see also    IDT" in explain_text.answer("EFLAGS.IF")


def test_an_explanation_of_a_term_does_not_refer_to_itself() -> None:
    assert "triple fault" not in term_topics.mentioned(explanation_titled("term triple fault"))


def test_every_term_that_an_explanation_refers_to_is_explained() -> None:
    explanations = [explanation for name in lookup.names() for explanation in lookup.explain(name)]
    terms = {term for explanation in explanations for term in term_topics.mentioned(explanation)}

    assert len(terms) > 40
    assert [] == [term for term in sorted(terms) if f"term {term}" not in titles(term)]


def test_an_unknown_name_is_an_error_whose_hint_suggests_a_similar_one() -> None:
    with pytest.raises(UserError) as error:
        lookup.explain("memap_padr")

    assert 'unknown name: "memap_padr"' == str(error.value)
    assert "memmap_paddr" in (error.value.hint or "")


@pytest.mark.parametrize("name", ["", ".", "[", "\x1b[2J", "\0", "é" * 5000, "9" * 5000, "hdr..version"])
def test_any_text_that_is_not_a_name_is_refused_with_a_short_error(name: str) -> None:
    with pytest.raises(UserError) as error:
        lookup.explain(name)

    assert "\x1b" not in str(error.value)
    assert len(str(error.value)) < 400


def test_lines_are_wrapped_to_the_requested_width() -> None:
    assert max(map(len, explain_text.listing(60).splitlines()[:-1])) <= 60
    assert max(map(len, explain_text.in_full(topics.of_field(BootParams.e820_table), 60)[1:])) <= 60


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
    assert [] == [row.path for row in rows if row.path and lookup.of_row(row) is None]


def test_the_row_of_a_field_has_the_explanation_of_the_field() -> None:
    row = next(row for row in every_row() if row.path == "start_info.magic")

    assert topics.of_field(StartInfo.magic) == lookup.of_row(row)


@pytest.mark.parametrize("width", range(30, 44))
def test_an_option_is_not_broken_at_its_hyphens(width: int) -> None:
    words = "pass --no-kvm-at-all to QEMU"
    lines = explain_text._wrapped(f"{words} {words} {words}", width)

    assert f"{words} {words} {words}" == " ".join(line.strip() for line in lines)


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("PML4", "term PML4"),
        ("PDPT", "term PML4"),
        ("far jump", "term far jump"),
        ("flat", "term flat"),
        ("ELF", "term ELF"),
        ("contract", "term ABI"),
    ],
)
def test_a_word_on_the_screen_or_in_the_tour_is_a_term(name: str, title: str) -> None:
    assert [title] == titles(name)
