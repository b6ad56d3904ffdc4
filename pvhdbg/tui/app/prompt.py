"""The prompt's line: its history on disk, and completion by gdb."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from prompt_toolkit.completion import Completer, Completion
from prompt_toolkit.history import FileHistory, History, InMemoryHistory

from pvhdbg import state_files
from pvhdbg.abi.text import escape_unprintable, is_lone_byte
from pvhdbg.lazy_pattern import pattern

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable

    from prompt_toolkit.completion import CompleteEvent
    from prompt_toolkit.document import Document

    Ask = Callable[[str, Callable[[list[str]], None]], None]

TIMEOUT = 3.0
"""Seconds to wait for gdb's completions."""
_REPEATED_WITHOUT_ARGUMENTS = pattern(r"\s*(x|list|l|info\s+line|disassemble)(?=[\s/]|$)")
"""Commands that gdb repeats without their arguments: they continue where they ended."""


class _History(FileHistory):
    """A history file. An unreadable file counts as empty. Lines that can't be written are kept until pvhdbg ends."""

    def load_history_strings(self) -> Iterable[str]:
        try:
            return list(super().load_history_strings())
        except OSError:
            return []

    def store_string(self, string: str) -> None:
        with suppress(OSError):
            super().store_string(string)


def history() -> History:
    """Return the prompt's history: a file in the user's state folder, or in memory if that folder is not writable."""
    try:
        path = state_files.folder() / "history"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
    except (OSError, RuntimeError):  # RuntimeError: the user has no home folder
        return InMemoryHistory()
    return _History(str(path))


def typed(line: str) -> str:
    """Return a typed line without control characters, which gdb would run or echo.

    Bytes that are not UTF-8 are kept, because a symbol's name may contain one.
    """
    return "".join(character for character in line.expandtabs() if character.isprintable() or is_lone_byte(character))


def repeated(line: str) -> str:
    """Return what an empty line after `line` runs: the same line, but `x` and `list` without arguments, to continue."""
    command = _REPEATED_WITHOUT_ARGUMENTS.match(line)
    return command[1] if command else line


class GdbCompleter(Completer):
    """Completes by asking gdb in the machine's thread. No answer within TIMEOUT seconds means no completions."""

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
        # The line may be empty because it was run in the meantime.
        for match in await self._matches(text) if text.strip() else ():
            last_word = match.rsplit(" ", 1)[-1] or match
            yield Completion(match, start_position=-len(text), display=escape_unprintable(last_word))

    async def _matches(self, text: str) -> list[str]:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[list[str]] = loop.create_future()

        def set_answer(matches: list[str]) -> None:
            if not answer.done():
                answer.set_result(matches)

        def set_answer_from_thread(matches: list[str]) -> None:
            loop.call_soon_threadsafe(set_answer, matches)

        self._ask(text, set_answer_from_thread)
        try:
            return await asyncio.wait_for(answer, TIMEOUT)
        except TimeoutError:
            return []
