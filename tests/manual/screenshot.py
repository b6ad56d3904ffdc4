"""The picture in the README: a real boot on the real screen, as an SVG. `make manual` draws it again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.boot.record.replay import load
from pvhdbg.checks import run
from pvhdbg.cli.command.manual import PAGES_DIR
from pvhdbg.live.instructions.next_instruction import at_stop
from pvhdbg.tui.app.files import saved
from pvhdbg.tui.draw.frame import rows
from pvhdbg.tui.screen.state import VIEW, Title
from tests.paths import RECORDINGS_DIR
from tests.tui import screens

if TYPE_CHECKING:
    from pvhdbg.tui.screen.state import Screen

PATH = PAGES_DIR / "screen.svg"
SIZE = (112, 34)
"""Columns and lines of the terminal."""
SELECTED = "modlist_paddr"


def main() -> None:
    PATH.write_text(svg(), encoding="utf-8")


def screen() -> Screen:
    """Return the screen of a recorded boot of Debian's 6.1 at the stage prepare, with the focus on a pointer."""
    document = load(RECORDINGS_DIR / "linux-6.1-microvm-initrd.json")
    index = [stop.stage for stop in document.stops].index("prepare")
    shown = screens.at("prepare", of=document, findings=run.check_stop(document, index), focus=VIEW)
    shown = shown._replace(next=at_stop(document.stops[index], document.kernel))
    shown = shown._replace(title=Title("vmlinux", "microvm tcg 512M"), is_own_machine=True)
    return shown.at(next(index for index, row in enumerate(rows(shown)) if row.name == SELECTED))


def svg() -> str:
    lines = screens.drawn(screen(), *SIZE)
    lines[-1:-1] = [[("", "")], [("legend", "(gdb) ")]]
    return saved.svg(lines, "pvhdbg at the stage prepare")


if __name__ == "__main__":
    main()
