"""Screens for the tests, and functions that draw them as text."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from pvhdbg.boot.record import compare
from pvhdbg.boot.record.document import Document
from pvhdbg.boot.record.replay import load
from pvhdbg.boot.stop.capture import Capture
from pvhdbg.checks.finding import Finding
from pvhdbg.cli.command.teaching import boots
from pvhdbg.teaching.tour import chapter
from pvhdbg.tui.draw.frame import clamp, frame, rows, visible
from pvhdbg.tui.draw.layout import BELOW
from pvhdbg.tui.draw.legend import legend
from pvhdbg.tui.lines.line import Line, clean, length, plain
from pvhdbg.tui.lines.signs import UNICODE
from pvhdbg.tui.screen.state import AHEAD, HERE, LOADED, PASSED, STOPPED, BootFinding, Run, Screen, StageMark, Title
from pvhdbg.tui.screen.tour import Tour
from pvhdbg.tui.views import table
from pvhdbg.views.rows.picture_text import SIGNS
from tests import build
from tests.paths import RECORDINGS

SIZES = ((80, 24), (120, 40), (200, 60))
"""Terminal sizes. The frame does not include the prompt and the legend."""
VIEWS = tuple(table.BY_NAME)
"""The names of the views."""


OURS = {
    *map(chr, range(0x20, 0x7F)),
    *"".join((*UNICODE.box, *UNICODE.past_box, *UNICODE[2:13])),
    *"".join(sign for table in (UNICODE.runs, UNICODE.stages, UNICODE.findings) for sign in table.values()),
    *"".join(sign for pair in SIGNS.values() for sign in pair),
    "\n",
}
"""The characters that pvhdbg prints and draws: ASCII and its own signs."""

STACK = Finding("PVH207", "warning", "modlist_paddr: on the firmware's stack", "start_info.modlist_paddr", 0xF31F0)


@cache
def boot() -> Document:
    return build.boot()


@cache
def documents() -> tuple[Document, ...]:
    """Return a boot made by the tests, and the recordings of real boots."""
    return (boot(), *map(load, RECORDINGS))


def at(stage: str, view: str = "start_info", of: Document | None = None, **fields: Any) -> Screen:  # noqa: ANN401
    """Return the screen of a machine stopped at a stage. `fields` are fields of Screen."""
    document = of or boot()
    names = [stop.stage for stop in document.stops]
    here = names.index(stage)
    now = document.stops[here]
    marks = (StageMark(name, PASSED if at < here else HERE if at == here else AHEAD) for at, name in enumerate(names))
    return Screen(
        Title("vmlinux-6.1.0-56-cloud-amd64", "microvm tcg 512M"),
        Run(STOPPED, stage, rip=now.rip, symbol="xen_prepare_pvh"),
        tuple(marks),
        document.kernel,
        history=document.stops[: here + 1],
        now=now,
        before=document.stops[here - 1] if here else None,
        old_values=compare.values_before(document.stops[here - 1], now) if here else {},
        view=view,
        symbols=LOADED,
        is_own_machine=True,
    )._replace(**with_boot_findings(stage, **fields))


@cache
def tour() -> Tour:
    """Return the tour at a card with a question."""
    return Tour(chapter.read_all(boots.CHAPTERS), 0, 1)


def of(capture: Capture, view: str = "start_info", **fields: Any) -> Screen:  # noqa: ANN401
    """Return the screen of a machine that stopped once."""
    run = Run(STOPPED, capture.stage, rip=capture.rip)
    screen = Screen(Title("vmlinux", "microvm"), run, history=(capture,), now=capture, view=view)
    return screen._replace(**with_boot_findings(capture.stage, **fields))


def with_boot_findings(stage: str, **fields: Any) -> dict[str, Any]:  # noqa: ANN401
    """Add the findings of the stage to those of the boot."""
    return {"boot_findings": tuple(BootFinding(finding, (stage,)) for finding in fields.get("findings", ())), **fields}


def drawn(screen: Screen, width: int, height: int) -> list[Line]:
    """Return frame and legend on a terminal of that size, without the prompt, which prompt_toolkit draws."""
    return [*frame(screen, width, height - BELOW), legend(screen, width)]


def lines(screen: Screen, size: tuple[int, int] = (80, 24)) -> list[str]:
    return [plain(line) for line in drawn(screen, *size)]


def check(screen: Screen, size: tuple[int, int], typed: str = "") -> None:
    """Check that every line has the right length, and that only ASCII, pvhdbg's own signs, and the narrow characters
    that the user typed are drawn.
    """
    shown = drawn(screen, *size)

    assert {size[0]} == {length(line) for line in shown}
    assert set() == {sign for line in shown for sign in plain(line)} - OURS - {it for it in typed if clean(it) == it}


def text(screen: Screen, size: tuple[int, int] = (80, 24)) -> str:
    return "\n".join(line.rstrip() for line in lines(screen, size))


def line(screen: Screen, words: str, size: tuple[int, int] = (80, 24)) -> str:
    """Return the first line of the view that contains the words, without its frame."""
    return next(shown for shown in lines(screen, size)[3:] if words in shown)[1:-1].rstrip()


def pages(screen: Screen, size: tuple[int, int] = (80, 24)) -> Iterator[str]:
    """Yield what is visible while paging down to the end."""
    width, height = size[0], size[1] - BELOW
    step = visible(screen, width, height)
    for cursor in range(0, max(len(rows(screen)), 1), step):
        yield text(clamp(screen.at(cursor, cursor), width, height), size)


def styles(screen: Screen, size: tuple[int, int] = (80, 24)) -> set[str]:
    """Return the style classes in use."""
    return styles_of(drawn(screen, *size))


def styles_of(drawn: list[Line]) -> set[str]:
    return {name for line in drawn for style, words in line if words for name in style.split()}


def styled(screen: Screen, style: str, size: tuple[int, int] = (80, 24)) -> str:
    """Return the text that is drawn in a style class."""
    return "".join(words for line in drawn(screen, *size) for names, words in line if style in names.split())
