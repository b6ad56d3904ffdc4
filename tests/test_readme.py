"""The README names everything that a user can type."""

import re
from pathlib import Path

from pvhdbg.boot import stages
from pvhdbg.cli.options import COMMANDS as SHELL
from pvhdbg.commands import COMMANDS
from pvhdbg.tui.keys import KEYS

README = Path(__file__).parents[1].joinpath("README.md").read_text(encoding="utf-8")


def test_every_command_of_the_shell_is_in_it() -> None:
    assert [] == [name for name in SHELL if f"`pvhdbg {name}" not in README]


def test_every_question_is_in_it_with_its_words() -> None:
    usages = {each.name: f"{each.name} {each.usage}".strip().replace("|", "\\|") for each in COMMANDS.values()}

    assert [] == [name for name, usage in usages.items() if f"| `{usage}` |" not in README]


def test_every_key_is_in_it_with_its_help() -> None:
    missing = [
        each.key
        for each in KEYS
        if not each.action.startswith("view ") and f"| {each.key} | {each.scope} | {each.help} |" not in README
    ]

    assert [] == missing


def test_every_stage_is_in_it() -> None:
    assert [] == [name for name in stages.NAMES if f"| `{name}` |" not in README]


def test_every_folder_it_speaks_of_is_there() -> None:
    root = Path(__file__).parents[1]
    named = re.findall(r"`((?:tests|abi|boot|views|checks|commands)/[\w/.]*)`", README)

    assert [] == [each for each in named if not (root / each).exists() and not (root / "pvhdbg" / each).exists()]
