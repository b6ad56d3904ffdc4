"""Cache keys that compare values by identity."""

from __future__ import annotations

from typing import Generic, TypeVar

T = TypeVar("T")

CACHED = 16
"""How many lists of rows each cache keeps: one list for each view of a stage. A hostile guest can make a list as large
as 16 MiB.
"""


class ById(Generic[T]):
    """A cache key. Two keys are equal only if they hold the same object.

    Captures contain mappings and therefore have no hash. But they are frozen, so the content of a capture never
    changes. The key keeps the object alive, so that no other object can get the same id.
    """

    __slots__ = ("value",)

    def __init__(self, value: T) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ById) and self.value is other.value

    def __hash__(self) -> int:
        return id(self.value)
