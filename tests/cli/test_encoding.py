"""Output is UTF-8 in a UTF-8 locale, and ASCII elsewhere or with --ascii."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pvhdbg.cli import main, options
from pvhdbg.cli.options import COMMANDS
from tests.cli.shell import Run, pvhdbg
from tests.paths import RECORDINGS_DIR

RECORDING = RECORDINGS_DIR / "linux-6.12-q35.json"
LOCALES = ("LC_ALL", "LC_CTYPE", "LANG", "PYTHONIOENCODING", "PYTHONUTF8", "PYTHONCOERCECLOCALE")


def show(locale: str, *words: str) -> Run:
    """Run `pvhdbg show` with only these locale variables set."""
    variables = dict(word.split("=", 1) for word in locale.split())
    rest = {name: value for name, value in os.environ.items() if name not in LOCALES}
    return pvhdbg("show", RECORDING, *words, env=rest | variables)


@pytest.mark.parametrize(
    "locale",
    ["LC_ALL=C.UTF-8", "LANG=de_DE.utf8@euro", "LC_CTYPE=C.UTF-8", "LC_ALL=C PYTHONIOENCODING=utf-8:strict"],
)
def test_pictures_use_block_characters_in_a_utf_8_locale(locale: str) -> None:
    done = show(locale)

    assert (0, "") == (done.status, done.err)
    assert "█" in done.out


@pytest.mark.parametrize(
    "locale",
    [
        "",
        "LC_ALL=C",
        "LC_ALL=POSIX LANG=C.UTF-8",
        "LANG=en_US.ISO-8859-1",
        "LANG=de_DE@euro",
        "LC_ALL=C.UTF-8 PYTHONIOENCODING=ascii:strict",
        "LC_ALL=C PYTHONUTF8=0 PYTHONCOERCECLOCALE=0",
    ],
)
def test_output_is_ascii_in_any_other_locale(locale: str) -> None:
    done = show(locale)

    assert (0, "") == (done.status, done.err)
    assert done.out.isascii()
    assert "####" in done.out


def test_the_option_ascii_forces_ascii() -> None:
    assert show("") == show("LC_ALL=C.UTF-8", "--ascii")


@pytest.mark.parametrize("words", [("--ascii", "explain", "CR0.PE"), ("explain", "--ascii", "CR0.PE")])
def test_every_command_takes_the_option_ascii_before_and_after_its_name(words: tuple[str, ...]) -> None:
    done = pvhdbg(*words, env={**os.environ, "LC_ALL": "C.UTF-8"})

    assert (0, "") == (done.status, done.err)
    assert pvhdbg("explain", "CR0.PE", "--ascii").out == done.out
    assert done.out.isascii()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_the_option_ascii(command: str) -> None:
    assert "--ascii" in options.parser_of(command).format_help()


def test_a_text_file_follows_the_option_ascii_too(tmp_path: Path) -> None:
    done = [
        pvhdbg("dump", "--stage", "entry", "--format", "text", *words, "-o", tmp_path / name)
        for name, words in (("utf-8", ()), ("ascii", ("--ascii",)))
    ]
    rich, plain = ((tmp_path / name).read_text(encoding="utf-8") for name in ("utf-8", "ascii"))

    assert [(0, "", "")] * 2 == done
    assert "█" in rich
    assert plain.isascii()
    assert len(rich.splitlines()) == len(plain.splitlines())


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS)], ids=str)
def test_help_is_ascii(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == main([*command, "--help"])
    assert capsys.readouterr().out.isascii()


def test_a_file_name_that_cannot_be_encoded_is_an_error_on_one_line() -> None:
    done = pvhdbg("show", "no-\udcff\n\x1b", env={**os.environ, "PYTHONIOENCODING": "ascii:strict"})

    assert (2, "") == (done.status, done.out)
    assert 1 == len(done.err.splitlines())
    assert done.err.isascii()
    assert "\x1b" not in done.err
