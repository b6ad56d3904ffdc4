"""The findings of a run: for each rule its messages, with links to the fields, and its explanation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi.text import printable
from pvhdbg.checks.finding import SEVERITIES
from pvhdbg.checks.run import rules
from pvhdbg.views.explain.rule_topics import of_rule
from pvhdbg.views.page.anchors import link, stop_id, to_field
from pvhdbg.views.page.stops import folded
from pvhdbg.views.pictures.markup import Element, element

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from pvhdbg.boot.record.document import Document
    from pvhdbg.checks.finding import Finding
    from pvhdbg.checks.run import RunFindings

MOST = 20
"""The most messages of one rule."""
_Found = tuple[int, "Finding"]
"""A finding, with the index of the stop that has it; the number of stops for one about the end of the run."""


def section(run: Document, checked: RunFindings, ids: Collection[str]) -> Element:
    """Return the section. `ids` are the ids of the page, to which the fields of findings can link."""
    by_code: dict[str, list[_Found]] = {}
    for index, findings in enumerate(checked.new):
        for finding in findings:
            by_code.setdefault(finding.code, []).append((index, finding))
    ordered = sorted(by_code.values(), key=lambda found: min(SEVERITIES.index(one.severity) for _, one in found))
    shown = [_rule(run, found, ids) for found in ordered]
    nothing = [] if shown else [element("p", "No findings.")]
    return element("section", element("h2", "Findings"), *shown, *nothing, id="findings")


def _rule(run: Document, found: Sequence[_Found], ids: Collection[str]) -> Element:
    code = found[0][1].code
    severity = min((finding.severity for _, finding in found), key=SEVERITIES.index)
    about = of_rule(rules()[code])
    badge = element("span", severity, class_=f"badge {severity}")
    heading = element("h3", badge, f" {code}: {about.meaning}", id=code)
    items = [element("li", *_message(run, index, finding, ids)) for index, finding in found[:MOST]]
    if len(found) > MOST:
        items.append(element("li", f"… and {len(found) - MOST} more"))
    explanation = [element("p", paragraph) for paragraph in about.details]
    source = [element("p", f"Source: {about.source}", class_="quiet")] if about.source else []
    return element("div", heading, element("ul", *items), folded(f"Explanation of {code}", *explanation, *source))


def _message(run: Document, index: int, finding: Finding, ids: Collection[str]) -> Iterator[Element | str]:
    yield f"{finding.message} ("
    if index < len(run.stops):
        stop = stop_id(index, run.stops[index])
        yield link(stop, f"stage {run.stops[index].stage}")
        yield ", "
        yield to_field(ids, stop, printable(finding.field))
    else:
        yield from ("at the end, ", element("code", printable(finding.field)))
    yield ")"
