"""A value as a key of a cache: the same only if it is the same object."""

from __future__ import annotations

from typing import Generic, TypeVar

T = TypeVar("T")

CACHED = 16
"""Lists of rows that caches keep: some views of some stages. A hostile guest makes each as large as 16 MiB."""


class ById(Generic[T]):
    """Captures hold mappings and have no hash; they are frozen, so one object is one value. The key keeps it alive,
    so that no other can come to have its identity.
    """

    __slots__ = ("it",)

    def __init__(self, it: T) -> None:
        self.it = it

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ById) and self.it is other.it

    def __hash__(self) -> int:
        return id(self.it)
