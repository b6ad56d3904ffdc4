"""A finding's field is a path of the document, and its address is where the views show that field."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from pvhdbg.checks.run import rules
from pvhdbg.views.rows import boot_params_rows, map_rows, start_info_rows
from pvhdbg.views.rows.row import Row as ViewRow
from pvhdbg.views.to_json import document_json as to_json
from tests.checks.tables import handed_over, memory, outcomes

if TYPE_CHECKING:
    from pvhdbg.boot.stop.capture import Capture
    from tests.checks.cases import Row

ROWS = (*handed_over.ROWS, *memory.ROWS, *outcomes.ROWS)
OF_THE_RUN = ("kernel", "machine", "outcome")
OWN_PLACE = {"PVH206", "PVH331", "PVH332", "PVH341"}
"""Their bytes are not those of the field, but in it, or where it leads to."""

_PART = re.compile(r"([A-Za-z_]\w*)(?:\[(\d+)\])?")


def followed(document: Any, path: str) -> Any:  # noqa: ANN401 - JSON
    """What a path leads to; registers have names with dots."""
    if path.startswith("registers."):
        return document["registers"][path.removeprefix("registers.")]
    for name, index in _PART.findall(path):
        document = document[name] if not index else document[name][int(index)]
    return document


def shown(seen: Capture) -> dict[str, ViewRow]:
    found = [
        *start_info_rows.start_info_rows(seen, "start_info"),
        *start_info_rows.start_info_rows(seen, "pvh_start_info"),
        *start_info_rows.module_rows(seen),
        *map_rows.memory_map_rows(seen, fields=True),
        *map_rows.e820_rows(seen, fields=True),
        *boot_params_rows.boot_params_rows(seen),
        *boot_params_rows.boot_params_rows(seen, "kernel_boot_params"),
    ]
    return {each.path: each for each in found if each.fields}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.code)
def test_a_field_is_a_path_of_the_document_and_its_address_that_of_its_bytes(row: Row) -> None:
    case = row.fires()
    stops = [to_json.stop(each) for each in case.history]
    views = [shown(each) for each in case.history]
    for each in rules()[row.code].findings(case):
        if each.field.partition(".")[0] in OF_THE_RUN:
            continue
        assert any(_leads_somewhere(stop, each.field) for stop in stops), each
        places = [rows[each.field].address for rows in views if each.field in rows]
        assert not places or each.at in (None, *places) or row.code in OWN_PLACE, each


def _leads_somewhere(stop: Any, path: str) -> bool:  # noqa: ANN401 - JSON
    try:
        followed(stop, path)
    except (KeyError, IndexError, TypeError):
        return False
    return True
