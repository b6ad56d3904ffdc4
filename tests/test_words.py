"""The wording rules that a program can check. All rules are in .github/CONTRIBUTING.md, "Words"."""

from __future__ import annotations

import re

import pytest

from pvhdbg.cli import main
from pvhdbg.cli.options import COMMANDS
from tests import words

PRODUCT = words.python_files("pvhdbg", "gdb_scripts")
EVERYTHING = words.python_files("pvhdbg", "gdb_scripts", "tests")

ALLOWED: dict[str, str] = {}
"""Strings that may contain an odd phrase: a part of the text, and the reason."""

_VERBS = """
    add ask attach build check choose close connect delete did download drop end enter free give install leave let
    list load lower make mount move name open pass pick press put quote raise rebuild reinstall reload remove repeat
    restart run see set shorten start stop try turn type unpack unset update use wait write
"""
VERBS = frozenset(_VERBS.split())
"""The first words of hints. `did` is from "did you mean"."""


def test_loop_variables_are_named_after_what_they_hold() -> None:
    loops = [loop for path in EVERYTHING for loop in words.loops_over_each(path)]

    assert len(loops) <= 40, "\n".join(loops)


def test_no_text_makes_the_reader_translate() -> None:
    odd = [text for path in PRODUCT for text in words.odd(path)]
    unexplained = [str(text) for text in odd if not any(part in text.text for part in ALLOWED)]

    assert [] == unexplained
    assert len(odd) <= 15
    assert [] == [part for part in ALLOWED if not any(part in text.text for text in odd)]


def test_docstrings_use_none_and_not_null() -> None:
    assert [] == [str(text) for path in EVERYTHING for text in words.null_in_docstrings(path)]


def test_an_error_starts_in_lower_case_and_has_no_full_stop() -> None:
    errors = [error for path in PRODUCT for error in words.errors(path) if error.message]
    bad = [error for error in errors if re.match(r"[A-Z][a-z]", error.message) or error.message.endswith(".")]

    assert len(errors) > 100
    assert [] == bad


def test_a_hint_begins_with_a_verb() -> None:
    hints = [error for path in PRODUCT for error in words.errors(path) if error.hint]

    assert len(hints) > 30
    # A hint that begins with another hint is checked where that hint is defined.
    assert [] == [error for error in hints if str(error.hint).split()[0].lower() not in {*VERBS, "{}", "{},"}]


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS)], ids=str)
@pytest.mark.parametrize("columns", ["80", "300"])
def test_help_fits_100_columns(
    command: list[str], columns: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert 0 == main([*command, "--help"])

    assert [] == [line for line in capsys.readouterr().out.splitlines() if len(line) > min(100, int(columns))]


@pytest.mark.parametrize("name", COMMANDS)
def test_a_commands_help_begins_with_a_verb(name: str) -> None:
    assert COMMANDS[name].help.split()[0].rstrip(",") in {
        *VERBS, "boot", "examine", "decode", "compare", "copy", "draw", "explain", "record", "show", "print",
    }  # fmt: skip
