"""Cache keys that compare values by identity."""

from __future__ import annotations

from typing import Generic, TypeVar

T = TypeVar("T")

CACHED = 16
"""Lists of rows that caches keep: some views of some stages. A hostile guest makes each as large as 16 MiB."""


class ById(Generic[T]):
    """A cache key that is equal only for the same object.

    Captures hold mappings and so have no hash; they are frozen, so that one object always has the same content. The
    key keeps the object alive: its id can't be given to another one.
    """

    __slots__ = ("value",)

    def __init__(self, value: T) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ById) and self.value is other.value

    def __hash__(self) -> int:
        return id(self.value)
