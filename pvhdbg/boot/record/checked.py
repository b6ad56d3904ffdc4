"""Values of a parsed JSON document, checked: a recording may be damaged or hostile.

Each function raises NotARecording for a value of another kind, and names it.
"""

from __future__ import annotations

import reprlib
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Collection

T = TypeVar("T")
MAX_ADDRESS = 1 << 64


class NotARecording(Exception):
    """The JSON document is not a valid recording. The message describes the first problem."""


def strings(value: object, name: str) -> tuple[str, ...]:
    items = array(value, name)
    if not all(isinstance(item, str) for item in items):
        raise NotARecording(f"{name} is not a list of strings")
    return tuple(items)


def dictionary(value: object, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise NotARecording(f"{name} is not an object")
    return value


def array(value: object, name: str) -> list[Any]:
    if not isinstance(value, list):
        raise NotARecording(f"{name} is not a list")
    return value


def objects(value: object, name: str, most: int) -> list[dict[str, Any]]:
    """Return a list of at most `most` objects."""
    items = array(value, name)
    if len(items) > most:
        raise NotARecording(f"{name} has more than {most:,} items")
    return [dictionary(item, name) for item in items]


def short_text(parent: dict[str, Any], key: str, most: int) -> str | None:
    """Return a text of at most `most` characters, or None."""
    text = maybe(str, parent, key)
    if text is not None and len(text) > most:
        raise NotARecording(f"{key} has more than {most:,} characters")
    return text


def reason(recorded: object, otherwise: str) -> str:
    """Return a reason of `missing` if it is printable ASCII, else `otherwise`."""
    return recorded if isinstance(recorded, str) and recorded.isascii() and recorded.isprintable() else otherwise


def shown(value: object) -> str:
    """Return a short representation of any value, even if it is large or deeply nested."""
    return reprlib.repr(value)


def of(kind: type[T], parent: dict[str, Any], key: str) -> T:
    value = parent.get(key)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise NotARecording(f"invalid {key}: {shown(value)}")
    return value


def maybe(kind: type[T], parent: dict[str, Any], key: str) -> T | None:
    return None if parent.get(key) is None else of(kind, parent, key)


def one_of(allowed: Collection[T], parent: dict[str, Any], key: str) -> T:
    for value in allowed:
        if parent.get(key) == value and type(parent.get(key)) is type(value):
            return value
    raise NotARecording(f"invalid {key}: {shown(parent.get(key))}")


def maybe_address(parent: dict[str, Any], key: str) -> int | None:
    return None if parent.get(key) is None else address(parent, key)


def address(parent: dict[str, Any], key: str) -> int:
    value = of(int, parent, key)
    if not 0 <= value < MAX_ADDRESS:
        raise NotARecording(f"{key} is not an unsigned 64-bit integer")
    return value


def hexadecimal(parent: dict[str, Any], key: str) -> bytes:
    try:
        return bytes.fromhex(of(str, parent, key))
    except ValueError:
        raise NotARecording(f"{key} is not a hex string") from None
