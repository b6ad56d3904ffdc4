"""What is drawn is kept while the fields that it shows are the same objects, and is drawn anew otherwise."""

from __future__ import annotations

import pytest

from pvhdbg.tui.screen import state
from pvhdbg.tui.screen.kept import kept
from pvhdbg.tui.screen.state import Screen
from tests.tui.screens import at


@pytest.fixture
def calls() -> list[str]:
    return []


def test_a_result_is_kept_until_a_field_that_is_read_or_an_argument_changes(calls: list[str]) -> None:
    @kept("detail_top", "message")
    def draw(screen: Screen, width: int, *, more: str = "") -> list[str]:
        calls.append(screen.view)
        return [f"{screen.view} {width} {more}"]

    here = at("prepare")
    first = draw(here, 80)
    assert draw(here._replace(detail_top=3, message="hello"), 80) is first
    assert calls == ["start_info"]

    assert draw(here, 81) == ["start_info 81 "]
    assert draw(here, 80, more="x") == ["start_info 80 x"]
    assert draw(here._replace(view="memory"), 80) == ["memory 80 "]
    assert draw(here, 80) is first
    assert calls == ["start_info", "start_info", "start_info", "memory"]


def test_fields_are_compared_by_identity(calls: list[str]) -> None:
    @kept()
    def draw(screen: Screen) -> int:
        calls.append(screen.focus)
        return len(screen.output)

    here = at("prepare")
    lines = tuple("ab")
    assert draw(here._replace(output=lines)) == 2
    assert draw(here._replace(output=lines)) == 2
    assert draw(here._replace(output=(*lines, "c"))) == 3
    assert calls == [state.PROMPT] * 2


def test_the_oldest_of_the_results_is_forgotten(calls: list[str]) -> None:
    @kept()
    def draw(screen: Screen, width: int) -> int:
        calls.append(screen.view)
        return width

    here = at("prepare")
    assert [draw(here, width) for width in range(9)] == [*range(9)]
    assert draw(here, 1) == 1
    assert len(calls) == 9
    assert draw(here, 0) == 0
    assert len(calls) == 10


def test_a_field_that_a_function_claims_not_to_read_cannot_be_read_in_tests() -> None:
    @kept("message")
    def inner(screen: Screen) -> str:
        return screen.focus

    @kept("focus")
    def outer(screen: Screen) -> str:
        return inner(screen._replace(view="memory"))

    @kept("message")
    def draw(screen: Screen) -> str:
        return screen._replace(view="memory").message

    @kept("message")
    def replace(screen: Screen) -> str:
        return screen._replace(message="known").message

    for function, field in ((draw, "message"), (outer, "focus")):
        with pytest.raises(AssertionError, match=f"reads {field}"):
            function(at("prepare"))
    assert replace(at("prepare")) == "known"
