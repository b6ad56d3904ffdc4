"""Command lines that are answered without a parser: the same answers, and only the modules that they need."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pvhdbg import cli
from pvhdbg.cli import options
from pvhdbg.cli.command.explain import explain
from pvhdbg.cli.result import HelpText

MODULES = "import sys; from pvhdbg import cli; cli.main(sys.argv[1:]); print(*sys.modules, file=sys.stderr)"
SLOW = {"argparse", "dataclasses", "inspect", "json", "locale", "pathlib", "subprocess", "textwrap", "threading"}


@pytest.mark.parametrize(
    ("words", "most"),
    [
        (("--version",), 8),
        (("explain", "memmap_paddr"), 40),
        (("explain", "prepare"), 40),
        (("explain", "IDT"), 20),
    ],
)
def test_a_short_command_imports_little(words: tuple[str, ...], most: int) -> None:
    call = [sys.executable, "-c", MODULES, *words]
    done = subprocess.run(call, check=True, capture_output=True, text=True)
    modules = done.stderr.split()

    assert done.stdout
    assert set() == SLOW.intersection(modules)
    assert len([name for name in modules if name.startswith("pvhdbg.")]) <= most


@pytest.mark.parametrize("words", [["explain", "magic"], ["explain", "stage", "kernel"], ["explain"]])
def test_explain_without_options_answers_as_the_parser_understands_it(words: list[str]) -> None:
    assert explain(options.parse(words)[1]) == cli._answer_without_options(words)


def test_the_version_without_a_parser_is_that_of_the_parser() -> None:
    with pytest.raises(HelpText) as text:
        options.parse(["--version"])

    answer = cli._answer_without_options(["--version"])
    assert answer is not None
    assert str(text.value) == answer.output


@pytest.mark.parametrize("words", [[], ["explain", "--ascii", "magic"], ["--version", "x"], ["dump"]])
def test_other_command_lines_need_the_parser(words: list[str]) -> None:
    assert cli._answer_without_options(words) is None
