"""A finding's field is a path in the document, and its address is the address that the views show for the field."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from pvhdbg.checks.run import rules
from pvhdbg.views.rows import boot_params_rows, map_rows, start_info_rows
from pvhdbg.views.rows.row import Row as ViewRow
from pvhdbg.views.to_json import document_json
from tests.checks.tables import entry, memory, outcomes

if TYPE_CHECKING:
    from pvhdbg.boot.stop.capture import Capture
    from tests.checks.cases import Row

ROWS = (*entry.ROWS, *memory.ROWS, *outcomes.ROWS)
OF_THE_RUN = ("kernel", "machine", "outcome")
OTHER_ADDRESS = {"PVH206", "PVH331", "PVH332", "PVH341"}
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
def test_a_finding_has_the_path_and_the_address_of_a_field(row: Row) -> None:
    case = row.fires()
    stops = [document_json.stop(capture) for capture in case.history]
    views = [rows_by_path(capture) for capture in case.history]
    for finding in rules()[row.code].findings(case):
        if finding.field.partition(".")[0] in OF_THE_RUN:
            continue
        assert any(has_path(stop, finding.field) for stop in stops), finding
        addresses = [rows[finding.field].address for rows in views if finding.field in rows]
        assert not addresses or finding.at in (None, *addresses) or row.code in OTHER_ADDRESS, finding


def has_path(stop: Any, path: str) -> bool:  # noqa: ANN401 - JSON
    try:
        value_at(stop, path)
    except (KeyError, IndexError, TypeError):
        return False
    return True
