"""A whole run as one HTML page: pictures, findings with their explanations, every stage, and who wrote each field."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi.text import printable
from pvhdbg.boot.stop import stages
from pvhdbg.boot.stop.stop import Stop
from pvhdbg.checks.finding import ERROR
from pvhdbg.checks.run import check_run
from pvhdbg.views.page import findings, stops, writers
from pvhdbg.views.page.anchors import link, stop_id
from pvhdbg.views.page.picture import figure
from pvhdbg.views.page.shell import page, scrolling
from pvhdbg.views.pictures.markup import Element, element
from pvhdbg.views.pictures.table import PICTURES
from pvhdbg.views.report import findings_text, run_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pvhdbg.boot.record.document import Document
    from pvhdbg.checks.run import RunFindings

_ERRORS = 5
"""The most errors above the pictures. The section of the findings has all."""
STYLE = """
table { border-collapse: collapse; } caption { text-align: start; font-weight: bold; padding: 0.25rem 0; }
th, td { border: 1px solid var(--edge); padding: 0.125rem 0.5rem; text-align: start; vertical-align: top; }
thead th { background: var(--head); } th[scope=row] { font-weight: normal; white-space: nowrap;
  font-family: 'DejaVu Sans Mono', Menlo, Consolas, 'Liberation Mono', monospace; }
td.words { min-width: 14rem; } td.bytes { white-space: nowrap; }
 th.depth-1 { padding-inline-start: 1.5rem; } th.depth-2 { padding-inline-start: 2.5rem; }
th.depth-3 { padding-inline-start: 3.5rem; } th.depth-4 { padding-inline-start: 4.5rem; }
tr:target, h3:target, section:target > h2 { background: var(--target); }
section.stop { border-top: 3px solid var(--edge); margin-top: 2rem; } section.stop p { margin: 0.125rem 0; }
summary { cursor: pointer; padding: 0.25rem 0; } nav ul { padding-inline-start: 1.25rem; columns: 18rem; }
.badge { border: 1px solid currentColor; border-radius: 0.25rem; font-size: 0.8125rem; padding: 0 0.375rem; }
.badge.error { color: var(--error); } .badge.warning { color: var(--warning); } .badge.info { color: var(--quiet); }
.outcome { font-weight: bold; } #tools { display: flex; flex-wrap: wrap; gap: 0.5rem; position: sticky; top: 0;
  background: var(--page); padding: 0.5rem 0; }
button { font: inherit; color: var(--text); background: var(--head); border: 1px solid var(--quiet);
  border-radius: 0.25rem; padding: 0.25rem 0.75rem; }
#tools:empty { display: none; }
[id], h2 { scroll-margin-top: 4rem; } @media (max-width: 32rem) { [id], h2 { scroll-margin-top: 7rem; } }
@media print { #tools { display: none; } a { color: inherit; text-decoration: none; } td { overflow-wrap: anywhere; }
  td.words { min-width: 0; } td.value { min-width: 21ch; } td.bytes { white-space: normal; }
  th[scope=row] { white-space: normal; } table { font-size: 7.5pt; } }
"""
SCRIPT = """
"use strict";
const tools = document.getElementById("tools");
function add(words, act) {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = words;
  made.addEventListener("click", act);
  tools.append(made);
}
function fold(open) {
  for (const part of document.querySelectorAll("details")) part.open = open;
}
function step(by) {
  const heads = [...document.querySelectorAll("section.stop > h2")];
  const passed = heads.filter((head) => {
    return head.getBoundingClientRect().top < parseFloat(getComputedStyle(head).scrollMarginTop) + 2;
  }).length;
  const head = heads[Math.min(Math.max(by > 0 ? passed : passed - 2, 0), heads.length - 1)];
  if (!head) return;
  head.scrollIntoView();
  head.focus({ preventScroll: true });
}
add("Previous stage", () => step(-1));
add("Next stage", () => step(1));
add("Open all", () => fold(true));
add("Close all", () => fold(false));
"""


def report(run: Document) -> str:
    """Return the page. It needs no other file; the script only opens, closes and scrolls."""
    checked = check_run(run)
    answers = writers.listed(run)
    history = [Stop(capture, run.stops[:index], run.kernel) for index, capture in enumerate(run.stops)]
    shown = list(stops.sections(run, history, answers))
    ids = {name for section in shown for part in section.iter() if (name := part.get("id"))}
    subject = printable(run.kernel.path) if run.kernel else "a boot without a kernel file"
    body = [
        element("h1", f"Boot report: {subject}"),
        *_summary(run, checked),
        _contents(run, checked),
        element("div", id="tools", role="toolbar", aria_label="Stages and folds"),
        _pictures(run),
        findings.section(run, checked, ids),
        *shown,
        *([writers.section(run, answers, ids)] if answers else []),
        *_ending(run),
    ]
    return page(f"Boot report: {subject}", [element("main", *body)], STYLE, SCRIPT)


def _summary(run: Document, checked: RunFindings) -> Iterator[Element]:
    yield element("p", run_text.outcome(run.outcome, checked), class_="outcome")
    lines = [line.strip() for line in run_text.header(run)]
    yield element("ul", *(element("li", line, class_="mono") for line in lines))
    errors = [finding for finding in checked.all if finding.severity == ERROR][:_ERRORS]
    if errors:
        badge = element("span", ERROR, class_=f"badge {ERROR}")
        items = [element("li", badge, " ", link(it.code, it.code), f": {it.message}") for it in errors]
        yield element("ul", *items, id="errors")


def _contents(run: Document, checked: RunFindings) -> Element:
    counted = findings_text.count(checked.all) or "none"
    items = [link("pictures", "Pictures"), link("findings", f"Findings: {counted}")]
    items += [
        link(stop_id(index, capture), f"Stage {capture.stage}: {stages.stage(capture.stage, run.kernel).about}")
        for index, capture in enumerate(run.stops)
    ]
    items += [link("who", "Who wrote and who reads the boot data")] if writers.listed(run) else []
    return element("nav", element("ul", *(element("li", item) for item in items)), aria_label="Contents")


def _pictures(run: Document) -> Element:
    drawn = [picture.draw(run) for name, picture in PICTURES.items() if run.who or name != "who"]
    return element("section", element("h2", "Pictures"), *map(figure, drawn), id="pictures")


def _ending(run: Document) -> Iterator[Element]:
    """Yield the last output of a guest that was watched after the last stage."""
    watched = run.outcome.watched
    if watched is None:
        return
    from pvhdbg.views.report import watched_text

    blocks = watched_text.last_output(watched)
    output = [scrolling("Output", element("pre", "\n".join(block))) for block in blocks]
    yield element(
        "section", element("h2", "After the last stage"), element("p", watched_text.summary(watched)), *output
    )
