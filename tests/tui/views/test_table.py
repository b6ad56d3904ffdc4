"""The table of views: its rows are complete, and no other file names a view."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from pvhdbg.boot.stop.stages import CAPTURE_KEYS
from pvhdbg.tui.app import actions
from pvhdbg.tui.draw.keys import EVERYWHERE, KEYS, PANE
from pvhdbg.tui.draw.layout import Size
from pvhdbg.tui.draw.popups.listing import found
from pvhdbg.tui.lines.line import length, plain
from pvhdbg.tui.screen import state
from pvhdbg.tui.screen.state import Run, Screen, Title
from pvhdbg.tui.views import shown, table
from pvhdbg.tui.views.view import View
from tests.paths import ROOT
from tests.tui import screens

SIZE = Size(80, 22)
SIZES = (*screens.SIZES, (60, 16))
BLANK = Screen(Title("vmlinux", "microvm"))
FOLDER = ROOT / "pvhdbg" / "tui"

every_view = pytest.mark.parametrize("view", table.VIEWS, ids=lambda view: view.name)


def test_names_keys_and_structures_are_unique() -> None:
    for values in (
        [view.key for view in table.VIEWS],
        [view.name for view in table.VIEWS],
        [view.short for view in table.VIEWS],
        [key for view in table.VIEWS for key in view.captures],
        [struct for view in table.VIEWS for struct in view.structs],
    ):
        assert sorted(set(values)) == sorted(values)


def test_every_part_of_a_capture_has_a_view() -> None:
    assert set(CAPTURE_KEYS) == {key for view in table.VIEWS for key in view.captures}


def test_the_screen_starts_with_the_first_view() -> None:
    assert table.FIRST is table.shown(BLANK)


@every_view
def test_a_view_shows_a_capture_or_rows_or_text(view: View) -> None:
    has_rows = view.rows is not View._field_defaults["rows"]

    assert 1 == sum((view.decode is not None, has_rows, view.text is not None))
    assert not view.captures or view.shows_capture


@every_view
def test_a_view_has_a_file_with_a_docstring(view: View) -> None:
    function = view.decode or view.text or view.rows
    path = ROOT.joinpath(*function.__module__.split(".")).with_suffix(".py")

    assert FOLDER / "views" == path.parent
    assert (ast.get_docstring(ast.parse(path.read_bytes())) or "").startswith(f"{view.name}: ")


@every_view
def test_a_view_has_a_title_and_a_heading_before_and_after_the_first_stop(view: View) -> None:
    for screen in (BLANK, screens.at("prepare"), screens.at("e820")):
        lines = screens.lines(screen._replace(view=view.name), (120, 40))

        assert re.search(rf"[ │┌]{view.key}.{view.name}", lines[4])
        assert lines[5].strip("│ ")


@every_view
def test_a_view_is_in_the_list_of_keys_with_what_it_shows(view: View) -> None:
    listed = " ".join(plain(line) for line in found("", 200, tour=True))
    action, scopes = f"view {view.name}", {key.scope for key in KEYS if key.action == f"view {view.name}"}

    assert {EVERYWHERE, PANE} == scopes
    assert {view.key, f"Alt-{view.key}"} == {key.key for key in KEYS if key.action == action}
    assert 2 == len(re.findall(rf"\b{view.key}  +show {re.escape(f'{view.name}: {view.about}')}", listed))


@every_view
def test_a_view_is_chosen_by_its_action(view: View) -> None:
    assert view.name == actions.act(f"view {view.name}", screens.at("prepare", "cpu"), SIZE).view


@every_view
def test_the_key_of_a_view_moves_the_focus_from_the_other_panes_to_the_view(view: View) -> None:
    focuses = {
        focus: actions.act(f"view {view.name}", screens.at("prepare", "cpu", focus=focus), SIZE).focus
        for focus in (state.DETAIL, state.OUTPUT, state.VIEW, state.PROMPT)
    }

    assert {state.VIEW} == {focuses.pop(focus) for focus in (state.DETAIL, state.OUTPUT, state.VIEW)}
    assert {state.PROMPT: state.PROMPT} == focuses


@every_view
@pytest.mark.parametrize("size", SIZES)
def test_a_view_fills_every_size_even_before_the_first_stop_and_while_running(
    view: View, size: tuple[int, int]
) -> None:
    here = screens.at("prepare", view.name)
    for screen in (BLANK._replace(view=view.name), here, here._replace(past=0), here._replace(run=Run(state.RUNNING))):
        lines = screens.drawn(screen, *size)

        assert (size[1] - 1, {size[0]}) == (len(lines), {length(line) for line in lines})


@every_view
def test_an_empty_view_says_why(view: View) -> None:
    screen = BLANK._replace(view=view.name)

    assert () == shown.rows(screen)
    assert view.empty(screen)
    assert any(line.strip("│ ") for line in screens.lines(screen)[4:14])


@every_view
def test_only_a_live_view_ignores_the_past(view: View) -> None:
    text = screens.text(screens.at("e820", view.name, past=0), (120, 40))

    assert view.is_live == ("│ now  serial" in text)
    assert view.is_live != ("past: captured at entry" in text)


def modules() -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted(FOLDER.rglob("*.py")):
        yield path, ast.parse(path.read_bytes())


def test_no_other_file_names_a_view() -> None:
    """If another file compared, passed or assigned the name of a view, it would have to be kept up to date too."""
    names = {view.name for view in table.VIEWS} | {f"view {view.name}" for view in table.VIEWS}
    named = [
        f"{path.relative_to(FOLDER)}:{node.lineno} {node.value}"
        for path, module in modules()
        for parent in ast.walk(module)
        if _mentions_a_view(parent)
        for node in ast.walk(parent)
        if isinstance(node, ast.Constant) and node.value in names
    ]

    assert [] == named


def _mentions_a_view(node: ast.AST) -> bool:
    """Return whether the node compares, passes or assigns a variable called `view`."""
    if isinstance(node, ast.Compare):
        return any(_is_view(part) for part in (node.left, *node.comparators))
    if isinstance(node, ast.keyword):
        return node.arg == "view"
    return isinstance(node, ast.Assign | ast.AnnAssign) and any(
        _is_view(target) for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
    )


def _is_view(node: ast.AST) -> bool:
    return "view" == (node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else "")


def test_no_other_file_has_the_number_of_a_view() -> None:
    """Keys and numbers of views come from the table, even in texts such as `(view 5)`."""
    table_file = FOLDER / "views" / "table.py"
    numbered = [
        f"{path.relative_to(FOLDER)}:{number} {line.strip()}"
        for path in sorted(FOLDER.rglob("*.py"))
        if path != table_file
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if re.search(r"\bviews? \d|\.view [!=]= \d|\bview=\d|range\(1, 10\)", line)
    ]

    assert [] == numbered


def test_a_view_works_as_soon_as_it_is_in_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = tuple(f"line {number}" for number in range(99))
    log = View("0", "log", "log", "the kernel's log", lambda _screen: "", text=lambda _screen: lines)
    monkeypatch.setitem(table.BY_NAME, "log", log)
    screen = screens.at("prepare", "cpu", focus=state.VIEW)
    chosen = actions.act("view log", screen, SIZE)
    scrolled = actions.act("first", chosen, SIZE)

    assert "│ line 98" in screens.text(chosen)
    assert "│ line 0 " in screens.text(scrolled)
    assert {"log": 0} == scrolled.text_tops
