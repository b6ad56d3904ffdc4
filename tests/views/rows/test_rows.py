"""Rows against the document: every field is there, under its path, with its bytes."""

import re
from collections.abc import Callable, Iterator

import pytest

from pvhdbg.abi.boot_params import BootParams
from pvhdbg.abi.layout import Struct
from pvhdbg.abi.start_info import MemmapTableEntry, ModlistEntry, StartInfo
from pvhdbg.boot.stop import stages
from pvhdbg.boot.stop.capture import Capture
from pvhdbg.views.rows.boot_params_rows import boot_params_rows
from pvhdbg.views.rows.cpu_rows import cpu_rows
from pvhdbg.views.rows.map_rows import e820_rows, memory_map_rows
from pvhdbg.views.rows.row import Row
from pvhdbg.views.rows.start_info_rows import module_rows, start_info_rows
from pvhdbg.views.to_json import document_json as to_json
from tests import build

View = Callable[[Capture], list[Row]]

VIEWS: dict[str, View] = {
    "start_info": start_info_rows,
    "pvh_start_info": lambda capture: start_info_rows(capture, "pvh_start_info"),
    "modules": module_rows,
    "memory_map": lambda capture: memory_map_rows(capture, fields=True),
    "boot_params": boot_params_rows,
    "kernel_boot_params": lambda capture: boot_params_rows(capture, "kernel_boot_params"),
    "e820_table": lambda capture: e820_rows(capture, fields=True),
}


def at(stage: str) -> Capture:
    return next(each for each in build.boot().stops if each.stage == stage)


def named(rows: list[Row], name: str) -> Row:
    return next(row for row in rows if row.name == name)


def look_up(document: object, path: str) -> object:
    """What is at a path of the JSON document; registers' own names have dots."""
    if path.startswith("registers."):
        assert isinstance(document, dict)
        return document["registers"][path.removeprefix("registers.")]
    for name, index in re.findall(r"([^.\[\]]+)|\[(\d+)\]", path):
        if index:
            assert isinstance(document, list)
            document = document[int(index)]
        else:
            assert isinstance(document, dict)
            document = document[name]
    return document


def inner(struct: type[Struct]) -> Iterator[type[Struct]]:
    """A structure's type and those of the structures in it."""
    yield struct
    for _, value in struct(bytes(struct.SIZE)).rows():
        first = value[0] if isinstance(value, tuple) else value
        if isinstance(first, Struct):
            yield from inner(type(first))


@pytest.mark.parametrize(
    ("of", "rows"),
    [
        (StartInfo, start_info_rows(at("entry"))),
        (StartInfo, start_info_rows(at("prepare"), "pvh_start_info")),
        (ModlistEntry, module_rows(at("entry"))),
        (MemmapTableEntry, memory_map_rows(at("entry"), fields=True)),
        (BootParams, boot_params_rows(at("bootparams"))),
        (BootParams, boot_params_rows(at("kernel"), "kernel_boot_params")),
    ],
)
def test_every_field_of_every_structure_has_a_row(of: type[Struct], rows: list[Row]) -> None:
    expected = {field for struct in inner(of) for field in struct.FIELDS}

    assert expected == {field for row in rows for field in row.fields}


@pytest.mark.parametrize("stage", stages.NAMES)
def test_every_row_has_the_path_of_a_value_in_the_document(stage: str) -> None:
    capture = at(stage)
    document = to_json.stop(capture)
    valid = stages.stage(stage).valid
    rows = [row for key, view in VIEWS.items() if key in valid for row in view(capture)] + cpu_rows(capture)
    # The document has no key for a map entry's reserved word.
    rows = [row for row in rows if not row.path.endswith("].reserved") or row.path.startswith("modules")]

    assert rows

    for row in rows:
        value = look_up(document, row.path)
        if isinstance(value, int) and row.fields:
            assert int.from_bytes(row.raw, "little") == value, row.path


@pytest.mark.parametrize("stage", ["entry", "prepare", "bootparams"])
def test_a_rows_bytes_are_what_was_read_at_its_address(stage: str) -> None:
    capture = at(stage)
    rows = [row for key, view in VIEWS.items() if key in stages.stage(stage).valid for row in view(capture)]
    placed = [row for row in rows if row.address is not None and row.raw]

    assert placed

    for row in placed:
        assert row.address is not None
        assert row.raw == capture.bytes_at(row.address, len(row.raw)), row.path


@pytest.mark.parametrize("key", VIEWS)
@pytest.mark.parametrize("stage", [*stages.NAMES, stages.DIED])
def test_what_is_not_there_is_one_row_with_the_reason(key: str, stage: str) -> None:
    capture = Capture(**{**build.linux_guest().at(stage)._asdict(), key: None, "missing": {key: "the reason"}})

    rows = VIEWS[key](capture)

    assert [(key, "-", "the reason")] == [(row.path, row.value, row.meaning) for row in rows]


def test_a_structure_inside_another_lies_deeper_and_its_offsets_count_from_the_outer_one() -> None:
    rows = boot_params_rows(at("bootparams"))
    version = next(row for row in rows if row.path == "boot_params.hdr.version")

    assert (1, 0x206, "+0x206", build.VARIABLES["pvh_bootparams"] + 0x206) == (
        version.depth,
        version.offset,
        version.label,
        version.address,
    )


def test_runs_of_zero_fields_fold_into_one_row_that_counts_them() -> None:
    rows = boot_params_rows(at("bootparams"), folded=True)
    first = rows[0]

    assert ("screen_info …", "0", 20) == (first.name, first.value, first.folded)
    assert "20 fields, all 0: screen_info to scratch" == first.meaning


def test_folding_loses_no_field_that_is_not_0() -> None:
    everything = boot_params_rows(at("bootparams"))
    set_ones = {row.path for row in everything if any(row.raw) and ".e820_table[" not in row.path}

    assert set_ones <= {row.path for row in boot_params_rows(at("bootparams"), folded=True)}


def test_folding_a_page_of_zeros_leaves_one_row() -> None:
    capture = at("bootparams")._replace(boot_params=BootParams(bytes(4096), 0))

    assert [len(BootParams.FIELDS)] == [row.folded for row in boot_params_rows(capture, folded=True)]


def test_bytes_beyond_the_counted_entries_are_shown_where_they_are_not_0() -> None:
    raw = build.boot_params(((0, 4096, 1), (4096, 4096, 2)), e820_entries=1)
    rows = boot_params_rows(at("bootparams")._replace(boot_params=BootParams(raw, 0)))

    assert "not 0, though e820_entries is 1" == named(rows, "[1] …").meaning


def test_more_entries_than_the_table_holds_are_said() -> None:
    raw = build.boot_params((), e820_entries=200)
    rows = boot_params_rows(at("bootparams")._replace(boot_params=BootParams(raw, 0)))

    assert "72 more than the table holds" == named(rows, "e820_entries").meaning
    assert 128 == sum(row.path.endswith("].type") for row in rows)


def test_halves_of_an_address_are_put_together() -> None:
    raw = build.boot_params((), hdr__ramdisk_image=0x1000, ext_ramdisk_image=2, ext_ramdisk_size=1)
    rows = boot_params_rows(at("bootparams")._replace(boot_params=BootParams(raw, 0)))

    assert 0x200001000 == named(rows, "ramdisk_image").leads_to
    assert "4 GiB" == named(rows, "ramdisk_size").meaning


def test_at_a_later_stage_an_earlier_capture_tells_what_the_addresses_lead_to() -> None:
    alone = boot_params_rows(at("kernel"), "kernel_boot_params")
    told = boot_params_rows(at("kernel"), "kernel_boot_params", handed_over=at("prepare"))

    assert ("command line", '"console=ttyS0 earlyprintk=ttyS0"') == (
        named(alone, "cmd_line_ptr").meaning,
        named(told, "cmd_line_ptr").meaning,
    )
