"""Rows and the JSON document: every field has a row with its path and its bytes."""

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
from pvhdbg.views.rows.row import Row, fold
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


def capture_at(stage: str) -> Capture:
    return next(capture for capture in build.boot().stops if capture.stage == stage)


def row_named(rows: list[Row], name: str) -> Row:
    return next(row for row in rows if row.name == name)


def look_up(document: object, path: str) -> object:
    """Return the value at a path of the JSON document. Names of registers may contain dots."""
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


def nested(struct: type[Struct]) -> Iterator[type[Struct]]:
    """Yield a structure's class and the classes of the structures inside it."""
    yield struct
    for _, value in struct(bytes(struct.SIZE)).rows():
        first = value[0] if isinstance(value, tuple) else value
        if isinstance(first, Struct):
            yield from nested(type(first))


@pytest.mark.parametrize(
    ("struct", "rows"),
    [
        (StartInfo, start_info_rows(capture_at("entry"))),
        (StartInfo, start_info_rows(capture_at("prepare"), "pvh_start_info")),
        (ModlistEntry, module_rows(capture_at("entry"))),
        (MemmapTableEntry, memory_map_rows(capture_at("entry"), fields=True)),
        (BootParams, boot_params_rows(capture_at("bootparams"))),
        (BootParams, boot_params_rows(capture_at("kernel"), "kernel_boot_params")),
    ],
)
def test_every_field_of_every_structure_has_a_row(struct: type[Struct], rows: list[Row]) -> None:
    expected = {field for inner in nested(struct) for field in inner.FIELDS}

    assert expected == {field for row in rows for field in row.fields}


@pytest.mark.parametrize("stage", stages.NAMES)
def test_every_row_has_the_path_of_a_value_in_the_document(stage: str) -> None:
    capture = capture_at(stage)
    document = to_json.stop(capture)
    valid = stages.stage(stage).valid
    rows = [row for key, view in VIEWS.items() if key in valid for row in view(capture)] + cpu_rows(capture)
    # The document has no key for the reserved field of a map entry.
    rows = [row for row in rows if not row.path.endswith("].reserved") or row.path.startswith("modules")]

    assert rows

    for row in rows:
        value = look_up(document, row.path)
        if isinstance(value, int) and row.fields:
            assert int.from_bytes(row.raw, "little") == value, row.path


@pytest.mark.parametrize("stage", ["entry", "prepare", "bootparams"])
def test_the_bytes_of_a_row_were_captured_at_its_address(stage: str) -> None:
    capture = capture_at(stage)
    rows = [row for key, view in VIEWS.items() if key in stages.stage(stage).valid for row in view(capture)]
    with_bytes = [row for row in rows if row.address is not None and row.raw]

    assert with_bytes

    for row in with_bytes:
        assert row.address is not None
        assert row.raw == capture.bytes_at(row.address, len(row.raw)), row.path


@pytest.mark.parametrize("key", VIEWS)
@pytest.mark.parametrize("stage", [*stages.NAMES, stages.DIED])
def test_a_missing_structure_is_one_row_with_the_reason(key: str, stage: str) -> None:
    capture = Capture(**{**build.linux_guest().at(stage)._asdict(), key: None, "missing": {key: "the reason"}})

    rows = VIEWS[key](capture)

    assert [(key, "-", "the reason")] == [(row.path, row.value, row.meaning) for row in rows]


def test_fields_of_an_inner_structure_are_indented_and_have_offsets_in_the_outer_one() -> None:
    rows = boot_params_rows(capture_at("bootparams"))
    version = next(row for row in rows if row.path == "boot_params.hdr.version")

    assert (1, 0x206, "+0x206", build.VARIABLES["pvh_bootparams"] + 0x206) == (
        version.depth,
        version.offset,
        version.label,
        version.address,
    )


def test_a_run_of_zero_fields_folds_into_one_row_with_their_number() -> None:
    rows = boot_params_rows(capture_at("bootparams"), folded=True)
    first = rows[0]

    assert ("screen_info …", "0", 20) == (first.name, first.value, first.folded)
    assert "20 fields, all 0: screen_info to scratch" == first.meaning


def test_a_run_of_zero_entries_of_a_list_is_counted_as_entries() -> None:
    (folded,) = fold([Row(f"e820_table[{index}]", f"[{index}]", "0", "", raw=bytes(20)) for index in range(6)])

    assert "6 entries, all 0: [0] to [5]" == folded.meaning


def test_folding_keeps_every_nonzero_field() -> None:
    rows = boot_params_rows(capture_at("bootparams"))
    nonzero = {row.path for row in rows if any(row.raw) and ".e820_table[" not in row.path}

    assert nonzero <= {row.path for row in boot_params_rows(capture_at("bootparams"), folded=True)}


def test_boot_params_full_of_zeros_folds_into_one_row() -> None:
    capture = capture_at("bootparams")._replace(boot_params=BootParams(bytes(4096), 0))

    assert [len(BootParams.FIELDS)] == [row.folded for row in boot_params_rows(capture, folded=True)]


def test_nonzero_bytes_not_counted_by_e820_entries_are_shown() -> None:
    raw = build.boot_params(((0, 4096, 1), (4096, 4096, 2)), e820_entries=1)
    rows = boot_params_rows(capture_at("bootparams")._replace(boot_params=BootParams(raw, 0)))

    assert "not 0, but not counted by e820_entries (1)" == row_named(rows, "[1] …").meaning


def test_e820_entries_above_128_is_more_than_the_table_can_hold() -> None:
    raw = build.boot_params((), e820_entries=200)
    rows = boot_params_rows(capture_at("bootparams")._replace(boot_params=BootParams(raw, 0)))

    assert "72 more than the table can hold" == row_named(rows, "e820_entries").meaning
    assert 128 == sum(row.path.endswith("].type") for row in rows)


def test_both_halves_of_an_address_are_combined() -> None:
    raw = build.boot_params((), hdr__ramdisk_image=0x1000, ext_ramdisk_image=2, ext_ramdisk_size=1)
    rows = boot_params_rows(capture_at("bootparams")._replace(boot_params=BootParams(raw, 0)))

    assert 0x200001000 == row_named(rows, "ramdisk_image").leads_to
    assert "4 GiB" == row_named(rows, "ramdisk_size").meaning


def test_an_earlier_capture_supplies_what_the_addresses_lead_to() -> None:
    alone = boot_params_rows(capture_at("kernel"), "kernel_boot_params")
    resolved = boot_params_rows(capture_at("kernel"), "kernel_boot_params", boot_data=capture_at("prepare"))

    assert ("command line", '"console=ttyS0 earlyprintk=ttyS0"') == (
        row_named(alone, "cmd_line_ptr").meaning,
        row_named(resolved, "cmd_line_ptr").meaning,
    )
