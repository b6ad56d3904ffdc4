"""pvhdbg.named_tuple.NamedTuple makes the same classes as typing.NamedTuple."""

from __future__ import annotations

import re
import typing

import pytest

from pvhdbg.named_tuple import NamedTuple
from tests.paths import ROOT


class Ours(NamedTuple):
    """A place."""

    x: int
    y: int = 2
    name: Missing = ""  # type: ignore[name-defined]  # noqa: F821 - neither class evaluates it

    @property
    def total(self) -> int:
        return self.x + self.y


class Theirs(typing.NamedTuple):
    """A place."""

    x: int
    y: int = 2
    name: Missing = ""  # type: ignore[name-defined]  # noqa: F821

    @property
    def total(self) -> int:
        return self.x + self.y


def test_a_class_is_the_same_as_with_typing() -> None:
    assert tuple(Theirs(1, name="a")) == Ours(1, name="a")
    assert repr(Theirs(1)).replace("Theirs", "Ours") == repr(Ours(1))
    assert Theirs(1).total == Ours(1).total == 3
    assert Theirs(5)._replace(y=1)._asdict() == Ours(5)._replace(y=1)._asdict()
    for name in ("__doc__", "__module__", "__match_args__", "_fields", "_field_defaults", "__bases__", "__slots__"):
        assert getattr(Theirs, name) == getattr(Ours, name), name
    assert "Ours" == Ours.__qualname__
    assert not hasattr(Ours(1), "__dict__")


def test_a_missing_field_is_an_error() -> None:
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'x'"):
        Ours()  # type: ignore[call-arg]


def test_the_package_uses_only_the_fast_one() -> None:
    used = re.compile(r"^from typing import .*\bNamedTuple\b", re.MULTILINE)
    files = (path for path in (ROOT / "pvhdbg").rglob("*.py") if used.search(path.read_text("utf-8")))

    assert [] == [path.name for path in files]
