"""Screens whose fields cannot be read: they show that a function that is `kept` reads no field that it claims to ignore."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from pvhdbg.tui.screen.state import Screen

if TYPE_CHECKING:
    from collections.abc import Callable


def draw_guarded(
    draw: Callable[..., Any], unread: tuple[str, ...], screen: Screen, *arguments: Any, **named: Any
) -> Any:  # noqa: ANN401
    """Draw a screen of which `unread` cannot be read. This replaces `kept.draw_unread`."""
    hidden = frozenset((*unread, *getattr(screen, "hidden", ())))
    return draw(tuple.__new__(_guarded(hidden), screen), *arguments, **named)


@cache
def _guarded(hidden: frozenset[str]) -> type[Screen]:
    def refuse(field: str) -> property:
        def read(_screen: Screen) -> object:
            raise AssertionError(f"a kept function reads {field}, whose changes it claims to ignore")

        return property(read)

    return type("Guarded", (Screen,), {"hidden": hidden, **{field: refuse(field) for field in hidden}})
