"""Everything that has a name: views, keys, commands and explanations. The palette finds it while the user types."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import TYPE_CHECKING

from pvhdbg.named_tuple import NamedTuple
from pvhdbg.tui.draw.keys import KEYS, impossible_now
from pvhdbg.tui.draw.popups.listing import contains
from pvhdbg.tui.lines import classes
from pvhdbg.tui.lines.line import styled
from pvhdbg.tui.views import table
from pvhdbg.views.explain import lookup

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pvhdbg.tui.lines.line import Line
    from pvhdbg.tui.screen.state import Popup, Screen

COMMAND, EXPLAIN = "command ", "explain "
"""How the actions begin that type a command at the prompt, and that explain a name."""
_KIND_WIDTH, _NAME_WIDTH = 10, 24
_MOVES = ("focus-", "popup-", "entry-")


class Item(NamedTuple):
    """A row of the palette. `action` is the name of an action of a key, or begins with COMMAND or EXPLAIN."""

    kind: str
    name: str
    about: str
    action: str


def found(screen: Screen, shown: Popup) -> tuple[Item, ...]:
    """Return the items that the palette lists: those that contain the typed words, without impossible actions."""
    return matches(shown.text, impossible_now(screen))


@lru_cache(32)
def matches(text: str, without: frozenset[str] = frozenset()) -> tuple[Item, ...]:
    """Return the items that contain all words of a text: first those whose name begins with it or contains it.

    Items for the actions in `without` are left out.
    """
    wanted = text.strip().casefold()
    possible = (item for item in items() if item.action not in without)
    found = [item for item in possible if contains(f"{item.kind} {item.name} {item.about}", text)]

    def rank(item: Item) -> int:
        name = item.name.casefold()
        if name == wanted:
            return 0
        return 1 if name.startswith(wanted) else 2 if wanted in name else 3

    return tuple(sorted(found, key=rank))


def chosen(screen: Screen, shown: Popup) -> Item | None:
    listed = found(screen, shown)
    return listed[shown.selected] if shown.selected < len(listed) else None


def lines(screen: Screen, shown: Popup, width: int) -> list[Line]:
    """Draw the items that were found, one a line."""
    listed = found(screen, shown)
    if not listed:
        return [[(classes.POPUP, "nothing has this name")]]
    selected = min(max(shown.selected, 0), len(listed) - 1)
    drawn = [_line(item) for item in listed]
    blank = max(width - sum(len(words) for _, words in drawn[selected]), 0)
    drawn[selected] = styled([*drawn[selected], ("", " " * blank)], classes.SELECTED)
    return drawn


def _line(item: Item) -> Line:
    return [
        (classes.POPUP, item.kind.ljust(_KIND_WIDTH)),
        (classes.KEY, f"{item.name} ".ljust(_NAME_WIDTH)),
        (classes.POPUP, item.about),
    ]


@cache
def items() -> tuple[Item, ...]:
    return (*_views(), *_keys(), *_commands(), *_explanations())


def _views() -> Iterator[Item]:
    for view in table.VIEWS:
        yield Item("view", view.name, f"{view.about} ({view.key}, Alt-{view.key})", f"view {view.name}")


def _keys() -> Iterator[Item]:
    """Yield the keys, each action once."""
    seen = set[str]()
    for key in KEYS:
        if key.action not in seen and not key.action.startswith(("view ", *_MOVES)):
            seen.add(key.action)
            yield Item("key", key.key, key.help, key.action)


def _commands() -> Iterator[Item]:
    from pvhdbg import commands  # the first picture does not wait for this import

    for command in commands.COMMANDS.values():
        summary = command.help.partition("\n")[0]
        yield Item("command", f"pvh {command.name}", summary, f"{COMMAND}pvh {command.name} ")


def _explanations() -> Iterator[Item]:
    for kind, names in lookup.names_by_kind().items():
        for name in names:
            yield Item("explain", name, kind, f"{EXPLAIN}{name}")
