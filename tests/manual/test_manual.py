"""The manual describes what the program does, and names everything that a user can type."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pvhdbg import cli
from pvhdbg.boot.record.document import TIMED_OUT, Death, Document, MachineFacts, Outcome, Rewrite
from pvhdbg.boot.stop import protocols, stages
from pvhdbg.boot.who.answer import Answer, Code, Reader, Writer
from pvhdbg.checks.run import rules
from pvhdbg.cli import main
from pvhdbg.cli.command.manual import PAGES_DIR, as_text, pages
from pvhdbg.cli.options import COMMANDS as SHELL
from pvhdbg.cli.options import parser_of
from pvhdbg.commands import COMMANDS
from pvhdbg.guest_profiles.table import PROFILES
from pvhdbg.image.facts import Note
from pvhdbg.image.verdicts.verdict import Verdict
from pvhdbg.tui.draw.keys import KEYS
from pvhdbg.views.to_json import document_json
from tests import build
from tests.manual import tables
from tests.paths import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / ".github" / "CONTRIBUTING.md").read_text(encoding="utf-8")
MANUAL = {name: (PAGES_DIR / f"{name}.md").read_text(encoding="utf-8") for name in pages()}
DOCUMENTS = {"README.md": README, ".github/CONTRIBUTING.md": CONTRIBUTING} | {
    f"pvhdbg/manual/{name}.md": page for name, page in MANUAL.items()
}
LONGEST_README = 160


@pytest.mark.parametrize("name", MANUAL)
def test_the_tables_of_a_page_are_up_to_date(name: str) -> None:
    assert tables.with_tables(MANUAL[name]) == MANUAL[name], "run `make manual`"


def test_every_table_is_in_a_page() -> None:
    used = {name for page in MANUAL.values() for name in re.findall(r"<!-- generated: (\w+) -->", page)}

    assert used == set(tables.TABLES)


@pytest.mark.parametrize(
    ("page", "words"),
    [
        ("shell", [f"`pvhdbg {name}" for name in SHELL]),
        ("shell", [f"`{command.name}" for command in COMMANDS.values()]),
        ("screen", [f"| {key.key} |" for key in KEYS if not key.action.startswith("view ")]),
        ("stages", [f"| `{name}` |" for name in stages.NAMES]),
        ("rules", [f"| {code} |" for code in rules()]),
        ("guests", [f"| `{profile.name}` |" for profile in PROFILES]),
        ("laboratory", [f"| `{name}` |" for name in protocols.PROTOCOLS]),
        ("index", [f"({name}.md)" for name in MANUAL if name != "index"]),
    ],
)
def test_a_page_names_everything_of_its_subject(page: str, words: list[str]) -> None:
    assert [] == [word for word in words if word not in MANUAL[page]]


@pytest.mark.parametrize("name", SHELL)
def test_every_option_of_a_command_is_in_the_manual(name: str) -> None:
    options = [option for action in parser_of(name)._actions for option in action.option_strings]

    assert [] == [option for option in options if option not in ("-h", "--help") and f"{option}" not in MANUAL["shell"]]


def test_every_key_of_the_json_is_in_the_manual() -> None:
    kernel = build.linux()._replace(
        segments=build.linux().segments[:1],
        notes=(Note("Xen", 18, b""),),
        verdicts=(Verdict("no-note", "fatal", "", ""),),
    )
    machine = MachineFacts(rewrites=(Rewrite("cmdline", 0, b"", b""),))
    timeout = Outcome(None, TIMED_OUT, Death("triple-fault", 0, "x", ""), "entry", 0, "x")
    stops = build.boot().stops[:1]
    code = Code(0, "x", ("x",), "x:1")
    who = (Answer("x", 0, 1, (Writer("cpu", code, "", 0, 1, b"", None, "perhaps"),), (Reader(code, "", 1),)),)
    with_stop = document_json.to_dict(Document(kernel, machine, stops, timeout._replace(reached="entry"), who))
    without = document_json.to_dict(Document(kernel, machine, (), timeout))
    structures = ("start_info", "registers", "symbols", "missing", "modules", "entries")
    shape = MANUAL["json"][MANUAL["json"].index('    { "format"') :].partition("\n\n")[0]
    keys = {*_keys(with_stop, structures), *_keys(without, structures)}

    assert "findings" in without["outcome"]
    assert [] == [key for key in keys if f'"{key}"' not in shape]


def _keys(value: Any, skipped: tuple[str, ...]) -> Iterator[str]:  # noqa: ANN401 - JSON
    """Yield every key, except the keys below `skipped`."""
    for item in value if isinstance(value, list) else [value]:
        for key, inner in item.items() if isinstance(item, dict) else ():
            yield key
            if key not in skipped:
                yield from _keys(inner, skipped)


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= LONGEST_README


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_link_leads_somewhere(name: str) -> None:
    folder = (ROOT / name).parent
    links = [link for link in re.findall(r"\]\(([^)]+)\)", DOCUMENTS[name]) if "://" not in link]
    broken = [link for link in links if not _exists(folder, *link.partition("#")[::2])]

    assert [] == broken


def _exists(folder: Path, path: str, anchor: str) -> bool:
    target = Path(os.path.normpath(folder / path)) if path else None
    if target is None or not anchor:
        return target is None or target.exists()
    headings = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.MULTILINE)
    return anchor in {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_path_that_is_named_exists(name: str) -> None:
    named = re.findall(r"`((?:pvhdbg|tests|gdb_scripts|\.ci|\.github)/[\w./-]*)`", DOCUMENTS[name])

    assert [] == [path for path in named if not (ROOT / path).exists()]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_pvhdbg_command_line_in_a_page_is_accepted(name: str) -> None:
    calls = re.findall(r"(?:^    |`)(?:\.venv/bin/)?pvhdbg (\w[\w-]*)", DOCUMENTS[name], re.MULTILINE)
    files = {"vmlinux", "vmlinuz", "path", "package"}

    assert [] == [word for word in calls if word not in SHELL and word not in files and word.islower()]


@pytest.mark.parametrize("name", MANUAL)
def test_a_page_is_shown_as_plain_text(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == main(["manual", name])

    shown = capsys.readouterr().out

    assert as_text(MANUAL[name]) == shown
    assert "](" not in shown
    assert "<!--" not in shown
    assert "|---" not in shown


def test_without_a_page_the_list_of_pages_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == main(["manual"])

    shown = capsys.readouterr().out

    assert [] == [name for name in pages() if name != "index" and f"\n  {name} " not in shown]


def test_an_unknown_page_is_an_error_with_the_nearest_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert 2 == main(["manual", "stage"])
    assert [
        'pvhdbg: error: no such page of the manual: "stage"',
        "  hint: did you mean `stages`?",
    ] == capsys.readouterr().err.splitlines()


def test_a_table_that_is_too_wide_is_wrapped_or_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    pages = {name: as_text((PAGES_DIR / f"{name}.md").read_text()) for name in ("vmms", "xen", "guests")}

    assert "  `firecracker`\n    VMM: Firecracker" in pages["vmms"]
    rows = [line for line in pages["guests"].splitlines() if line.startswith("  ---")]
    assert [] == [line for line in rows if len(line) > 80]
    assert [] == [line for line in pages["vmms"].splitlines() if len(line) > 80 and not line.startswith("    ")]


def test_a_table_is_aligned_and_its_last_column_wrapped() -> None:
    page = f"| a | what it is |\n|---|---|\n| `x\\|y` | {'word ' * 30}|\n"

    header, dashes, first, *more = as_text(page).splitlines()

    assert "  a      what it is" == header
    assert first.startswith("  `x|y`  word")
    assert all(line.startswith("         word") for line in more)
    assert {len(line) <= 100 for line in (header, dashes, first, *more)} == {True}


def test_the_items_of_a_list_begin_their_own_lines() -> None:
    page = (
        "1. one `pvhdbg manual own-kernel`\n   more\n10. ten\n\n        code\n\n    - code\n\n   after code\n11. last\n"
    )

    assert page.replace("`\n   more", "` more").splitlines() == as_text(page).splitlines()


def test_a_line_break_in_a_cell_begins_a_line_of_that_cell() -> None:
    lines = as_text("| a | b | c |\n|---|---|---|\n| x | one<br>two | three |\n").splitlines()

    assert ["  a  b    c", "  x  one  three", "     two"] == [lines[0], *lines[2:]]


@pytest.mark.parametrize("name", MANUAL)
def test_prose_fits_a_terminal_of_80_columns(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    prose = [line for line in as_text(MANUAL[name]).splitlines() if not line.startswith("  ")]

    assert [] == [line for line in prose if len(line) > 80]


@pytest.mark.parametrize(
    ("pager", "exists"),
    [("", True), ("cat", True), ("sh -c cat", True), ("no-such-pager -x", False), (" ", False), ("'less", False)],
)
def test_a_pager_that_does_not_exist_is_not_used(pager: str, monkeypatch: pytest.MonkeyPatch, *, exists: bool) -> None:
    monkeypatch.setenv("PAGER", pager)
    monkeypatch.delenv("MANPAGER", raising=False)
    assert exists is cli._has_pager()
