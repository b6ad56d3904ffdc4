"""The window of `layout pvh` in gdb's TUI: the stage, start_info, the memory map and the findings beside the source."""

from __future__ import annotations

from typing import TYPE_CHECKING

import gdb

from pvhdbg import commands
from pvhdbg.boot.session.resolve import stop_of
from pvhdbg.errors import PvhdbgError
from pvhdbg.in_gdb.session import charset, one_line
from pvhdbg.views.report import answers
from pvhdbg.views.rows.picture_text import SIGNS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pvhdbg.boot.session.protocol import Session
    from pvhdbg.in_gdb.session import CurrentSession

NAME = "pvh"
_ASCII = str.maketrans(dict(SIGNS.values()) | {"…": "~"})
_LAYOUT = f"tui new-layout {NAME} {{-horizontal src 1 {NAME} 1}} 2 status 0 cmd 1"


def register(current: CurrentSession) -> None:
    gdb.register_window_type(NAME, lambda window: Window(window, current))  # type: ignore[arg-type, return-value]  # click is optional
    gdb.execute(_LAYOUT, to_string=True)


class Window:
    """The content of the window. It is updated before each prompt, because any command may have changed the machine."""

    def __init__(self, window: gdb.TuiWindow, current: CurrentSession) -> None:
        self._window = window
        self._current = current
        self._lines: Sequence[str] = ()
        self._top = self._left = 0
        window.title = "pvh"
        gdb.events.before_prompt.connect(self._refresh)

    def close(self) -> None:
        gdb.events.before_prompt.disconnect(self._refresh)

    def render(self) -> None:
        # gdb would wrap a line that is as wide as the window.
        width, height = self._window.width - 1, self._window.height
        shown = self._lines[self._top : self._top + height]
        text = "\n".join(line[self._left : self._left + width] for line in shown)
        self._window.erase()
        self._window.write(text if charset().upper().startswith("UTF") else text.translate(_ASCII))

    def vscroll(self, num: int) -> None:
        self._top = max(min(self._top + num, len(self._lines) - self._window.height), 0)
        self.render()

    def hscroll(self, num: int) -> None:
        self._left = max(self._left + num, 0)
        self.render()

    def _refresh(self, *_: object) -> None:
        if not self._window.is_valid():
            return
        try:
            self._lines = lines(self._current.session_or_recording)
        except PvhdbgError as error:
            self._lines = [one_line(error)]
        except gdb.error as error:
            self._lines = str(error).splitlines()
        self.vscroll(0)


def lines(session: Session) -> list[str]:
    """Return the stage, start_info, the picture of memory, the memory map and the findings."""
    capture = session.current()
    stop = stop_of(session, capture)
    blocks = [
        *(answers.info(stop), answers.start_info(stop), answers.picture(stop), answers.memory_map(stop)),
        commands.run(session, "check").splitlines(),
    ]
    return [line for block in blocks for line in (*block, "")][:-1]
