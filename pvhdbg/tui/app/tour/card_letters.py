"""The letters typed while the card of the tour has the focus: commands for the prompt, and some keys."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

from pvhdbg.named_tuple import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from prompt_toolkit.buffer import Buffer

    from pvhdbg.tui.screen.state import Screen

AT_ONCE = 1.5
"""Letters with at most this many seconds between them are a word."""


class Ui(Protocol):
    """What this needs from the application."""

    @property
    def screen(self) -> Screen: ...

    @property
    def line(self) -> Buffer:
        """The line being typed at the prompt."""
        ...

    def show(self, screen: Screen) -> None:
        """Make this the current screen."""
        ...


class _Tried(NamedTuple):
    """Letters that acted as keys, the time of the last one, and the screen before and after them."""

    letters: str
    when: float
    before: Screen
    after: Screen


class CardLetters:
    """Types letters at the prompt. A letter that is also a key acts at once; this is undone if it begins a word."""

    def __init__(self, ui: Ui, act: Callable[[str], None]) -> None:
        self._ui = ui
        self._act = act
        self._tried: _Tried | None = None

    def act(self, name: str) -> None:
        """Do `type LETTER` or, for a letter that is also the key of an action, `try LETTER ACTION`."""
        kind, letter, *action = name.split(" ")
        begun = self._begun_word()
        if kind == "try":
            continues = begun is not None and letter not in begun.letters
            letters, before = (begun.letters, begun.before) if begun and continues else ("", self._ui.screen)
            self._act(action[0])
            self._tried = _Tried(letters + letter, time.monotonic(), before, self._ui.screen)
            return
        if begun is not None:
            letter = begun.letters + letter
            if self._ui.screen._replace(message="") == begun.after._replace(message=""):
                self._ui.show(begun.before)
        self._tried = None
        self._ui.line.insert_text(letter)
        self._act("focus-prompt")

    def _begun_word(self) -> _Tried | None:
        """Return the letters that have just acted as keys, if the next letter belongs to the same word."""
        tried = self._tried
        return tried if tried is not None and time.monotonic() - tried.when < AT_ONCE else None
