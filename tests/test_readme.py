"""The README names everything that a user can type."""

import re
from collections.abc import Iterator
from typing import Any

from pvhdbg.boot.record.document import TIMED_OUT, Death, Document, MachineFacts, Outcome, Rewrite
from pvhdbg.boot.stop import stages
from pvhdbg.cli.options import COMMANDS as SHELL
from pvhdbg.commands import COMMANDS
from pvhdbg.image.facts import Note
from pvhdbg.image.verdict import Verdict
from pvhdbg.tui.draw.keys import KEYS
from pvhdbg.views.to_json import document_json
from tests import build
from tests.paths import ROOT

README = ROOT.joinpath("README.md").read_text(encoding="utf-8")


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
    root = ROOT
    named = re.findall(r"`((?:tests|abi|boot|views|checks|commands)/[\w/.]*)`", README)

    assert [] == [each for each in named if not (root / each).exists() and not (root / "pvhdbg" / each).exists()]


def test_every_key_of_a_recording_that_is_no_structures_is_in_it() -> None:
    kernel = build.linux()._replace(
        segments=build.linux().segments[:1],
        notes=(Note("Xen", 18, b""),),
        verdicts=(Verdict("no-note", "fatal", "", ""),),
    )
    machine = MachineFacts(rewrites=(Rewrite("cmdline", 0, b"", b""),))
    waited = Outcome(None, TIMED_OUT, Death("triple-fault", 0, "x", ""), "entry", 0, "x")
    stops = build.boot().stops[:1]
    written = document_json.to_dict(Document(kernel, machine, stops, waited._replace(reached="entry")))
    unseen = document_json.to_dict(Document(kernel, machine, (), waited))
    structures = ("start_info", "registers", "symbols", "missing", "modules", "entries")
    shape = README[README.index('    { "format"') :].partition("\n\n")[0]

    assert "findings" in unseen["outcome"]
    assert [] == [key for key in {*_keys(written, structures), *_keys(unseen, structures)} if f'"{key}"' not in shape]


def _keys(of: Any, without: tuple[str, ...]) -> Iterator[str]:  # noqa: ANN401 - JSON
    for each in of if isinstance(of, list) else [of] if isinstance(of, dict) else []:
        for key, value in each.items() if isinstance(each, dict) else ():
            yield key
            if key not in without:
                yield from _keys(value, without)
