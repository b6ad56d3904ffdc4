"""A rule never raises an exception, whatever was not captured: a structure, the registers, earlier stops, the file."""

from __future__ import annotations

from typing import Any

import pytest

from pvhdbg.boot.stop.capture import Capture
from pvhdbg.boot.stop.stages import CAPTURE_KEYS
from pvhdbg.boot.stop.stop import Stop
from pvhdbg.checks.case import Case
from pvhdbg.checks.finding import SEVERITIES
from tests.checks.cases import Row
from tests.checks.test_rules import ROWS, findings_of

PARTS = (*CAPTURE_KEYS, "registers", "memory", "symbols", "missing")
EMPTY: dict[str, Any] = {"registers": {}, "memory": (), "symbols": {}, "missing": {}}
FACTS = ("machine", "outcome", "image", "earlier")


def without(case: Case, lacking: str, *, earlier: bool) -> Case:
    """Return the case without one part of its capture, or of all captures before it, or without one other fact."""

    def stripped(capture: Capture) -> Capture:
        changed: dict[str, Any] = {lacking: EMPTY.get(lacking)}
        return capture._replace(**changed) if lacking in PARTS else capture

    stops = () if lacking == "earlier" else tuple(map(stripped, case.earlier)) if earlier else case.earlier
    capture = case.capture if earlier else stripped(case.capture)
    image = None if lacking == "image" else case.image
    machine, outcome = (None if lacking == name else getattr(case, name) for name in ("machine", "outcome"))
    return Case(Stop(capture, stops, image), machine, outcome, case.symbols)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.code)
def test_a_rule_yields_findings_or_none_if_anything_is_absent(row: Row) -> None:
    case = row.fires()
    for lacking in (*PARTS, *FACTS):
        for earlier in (False, True) if case.earlier and lacking in PARTS else (False,):
            findings = findings_of(row.code, without(case, lacking, earlier=earlier))

            assert {finding.severity for finding in findings} <= set(SEVERITIES), lacking
