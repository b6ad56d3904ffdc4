"""The gdb prompt's line: its history on disk, and completion by gdb itself."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from prompt_toolkit.completion import Completer, Completion
from prompt_toolkit.history import FileHistory, History, InMemoryHistory

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable

    from prompt_toolkit.completion import CompleteEvent
    from prompt_toolkit.document import Document

    Ask = Callable[[str, Callable[[list[str]], None]], None]

PATIENCE = 3.0
_REPEAT_WITHOUT_WORDS = ("x", "list", "l", "info line", "disassemble")


class _Kept(FileHistory):
    """A history on a disk that may become full: then the rest of it lasts as long as we do."""

    def store_string(self, string: str) -> None:
        with suppress(OSError):
            super().store_string(string)


def history() -> History:
    """Kept between runs, in the user's state folder; for this run alone where that can't be written."""
    try:
        base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
        path = Path(base) / "pvhdbg" / "history"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
    except (OSError, RuntimeError):  # RuntimeError: who has no home
        return InMemoryHistory()
    return _Kept(str(path))


def repeated(line: str) -> str:
    """What an empty Enter after `line` means: the same again, but `x` and `list` go on from where they were."""
    word = line.split(maxsplit=1)[0] if line.split() else ""
    return word.partition("/")[0] if word.partition("/")[0] in _REPEAT_WITHOUT_WORDS else line


class GdbCompleter(Completer):
    """Asks gdb, in its own thread; no answer within PATIENCE seconds is no completion."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:  # noqa: ARG002
        return ()

    async def get_completions_async(
        self,
        document: Document,
        complete_event: CompleteEvent,  # noqa: ARG002
    ) -> AsyncGenerator[Completion, None]:
        text = document.text_before_cursor
        # An empty line may be what became of one that was run meanwhile.
        for match in await self._matches(text) if text.strip() else ():
            shown = match.rsplit(" ", 1)[-1] or match
            yield Completion(match, start_position=-len(text), display=shown)

    async def _matches(self, text: str) -> list[str]:
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[list[str]] = loop.create_future()

        def take(matches: list[str]) -> None:
            if not answered.done():
                answered.set_result(matches)

        def pass_on(matches: list[str]) -> None:
            loop.call_soon_threadsafe(take, matches)

        self._ask(text, pass_on)
        try:
            return await asyncio.wait_for(answered, PATIENCE)
        except TimeoutError:
            return []
