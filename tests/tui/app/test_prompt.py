"""The prompt's line: the characters that are sent to gdb, and the history."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pvhdbg.tui.app import prompt

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("line", "sent"),
    [
        ("print 1", "print 1"),
        ("print\t1", "print   1"),
        ("print \x1b[2J\x07\x9b1", "print [2J1"),
        ("print café", "print café"),
        ("print caf\udce9", "print caf\udce9"),
        ("print \ud800\u202e1", "print 1"),
    ],
)
def test_control_characters_are_removed_and_bytes_that_are_not_utf8_stay(line: str, sent: str) -> None:
    assert sent == prompt.typed(line)


def test_a_line_with_a_byte_that_is_not_utf8_goes_into_the_history(history: Path) -> None:
    prompt.history().store_string("print caf\udce9")

    assert ["print caf?"] == list(prompt.history().load_history_strings())
    assert history.exists()


def test_a_history_that_cannot_be_read_is_empty(history: Path) -> None:
    history.mkdir(parents=True)
    unreadable = prompt.history()
    unreadable.store_string("print 1")

    assert [] == list(unreadable.load_history_strings())
