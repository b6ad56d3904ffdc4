"""Screens whose fields cannot be read: a function that is `kept` reads no field that it claims to ignore."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from pvhdbg.tui.screen.state import Screen

if TYPE_CHECKING:
    from collections.abc import Callable

    Draw = Callable[..., object]


def draw_guarded(draw: Draw, unread: tuple[str, ...], screen: Screen, *arguments: object, **named: object) -> object:
    """Draw a screen of which `unread` cannot be read. This replaces `kept.draw_unread`."""
    hidden = frozenset((*unread, *getattr(screen, "hidden", ())))
    return draw(tuple.__new__(_guarded(hidden), screen), *arguments, **named)


@cache
def _guarded(hidden: frozenset[str]) -> type[Screen]:
    def refuse(field: str) -> property:
        def read(_screen: Screen) -> object:
            raise AssertionError(f"a kept function reads {field}, whose changes it claims to ignore")

        return property(read)

    def replace(screen: Screen, **changes: object) -> Screen:
        """Replace fields, which can be read then."""
        values = (changes.get(field, value) for field, value in zip(Screen._fields, screen, strict=True))
        return tuple.__new__(_guarded(hidden.difference(changes)), values)

    refused = {field: refuse(field) for field in hidden}
    return type("Guarded", (Screen,), {"_replace": replace, "hidden": hidden, **refused})
