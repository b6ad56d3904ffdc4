"""A finding's field is a path in the document, and its address is the address that the views show for the field."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from pvhdbg.views.rows import boot_params_rows, map_rows, start_info_rows
from pvhdbg.views.rows.row import Row as ViewRow
from pvhdbg.views.to_json import document_json
from tests.checks.tables import deaths, entry, logs, memory, modules, other_guests, outcomes

if TYPE_CHECKING:
    from pvhdbg.boot.stop.capture import Capture
    from tests.checks.cases import Row

ROWS = (*entry.ROWS, *memory.ROWS, *modules.ROWS, *outcomes.ROWS, *deaths.ROWS, *logs.ROWS, *other_guests.ROWS)
OF_THE_RUN = ("kernel", "machine", "outcome")
OTHER_ADDRESS = {"PVH206", "PVH331", "PVH332", "PVH341", "PVH343"}
"""Rules whose findings have an address inside the field, or the address to which the field points."""

_PART = re.compile(r"([A-Za-z_]\w*)(?:\[(\d+)\])?")


def value_at(document: Any, path: str) -> Any:  # noqa: ANN401 - JSON
    """Return the value at a path in the document. Register names may contain dots."""
    if path.startswith("registers."):
        return document["registers"][path.removeprefix("registers.")]
    for name, index in _PART.findall(path):
        document = document[name] if not index else document[name][int(index)]
    return document


def rows_by_path(capture: Capture) -> dict[str, ViewRow]:
    rows = [
        *start_info_rows.start_info_rows(capture, "start_info"),
        *start_info_rows.start_info_rows(capture, "pvh_start_info"),
        *start_info_rows.module_rows(capture),
        *map_rows.memory_map_rows(capture, fields=True),
        *map_rows.e820_rows(capture, fields=True),
        *boot_params_rows.boot_params_rows(capture),
        *boot_params_rows.boot_params_rows(capture, "kernel_boot_params"),
    ]
    return {row.path: row for row in rows if row.fields}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.code)
def test_a_finding_has_the_path_of_a_field(row: Row) -> None:
    case = row.fires()
    of_run = {
        "kernel": document_json.kernel(case.image) if case.image else None,
        "machine": document_json.machine(case.machine),
        "outcome": document_json.outcome(case.outcome, ()) if case.outcome else None,
    }
    documents = [*map(document_json.stop, case.history), of_run]
    paths = [field for _, field, _ in row.findings]

    assert paths == [path for path in paths if any(has_path(document, path) for document in documents)]


@pytest.mark.parametrize("row", [row for row in ROWS if row.code not in OTHER_ADDRESS], ids=lambda row: row.code)
def test_a_finding_has_the_address_that_the_views_show_for_its_field(row: Row) -> None:
    views = [rows_by_path(capture) for capture in row.fires().history]
    shown = {path: {rows[path].address for rows in views if path in rows} for _, path, _ in row.findings}

    assert [] == [(path, at) for _, path, at in row.findings if shown[path] and at not in shown[path]]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.code)
def test_only_findings_about_the_run_or_a_register_have_no_address(row: Row) -> None:
    without = {path.partition(".")[0].partition("[")[0] for _, path, at in row.findings if at is None}

    assert without <= {*OF_THE_RUN, "registers"}


def has_path(stop: Any, path: str) -> bool:  # noqa: ANN401 - JSON
    try:
        value_at(stop, path)
    except (KeyError, IndexError, TypeError):
        return False
    return True
