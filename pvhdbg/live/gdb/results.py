"""The values in gdb's answers, with their types checked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.target.mi.client import MiError

if TYPE_CHECKING:
    from collections.abc import Mapping

_MOST_DIGITS = 20


class Results:
    """Named values of a result record, or of a tuple in it.

    Each method raises MiError if the value has another type. A missing list or tuple counts as empty.
    """

    def __init__(self, values: Mapping[str, object]) -> None:
        self._values = values

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def text(self, name: str, default: str | None = None) -> str:
        """Return a string. If it is missing, return `default`, or raise MiError if `default` is None."""
        value = self._values.get(name, default)
        if isinstance(value, str):
            return value
        raise MiError(f"gdb's answer has no string {name}")

    def number(self, name: str, base: int = 10) -> int:
        """Return a number that gdb writes as a string."""
        text = self.text(name)
        try:
            return int(text if len(text) <= _MOST_DIGITS else "", base)
        except ValueError as error:
            raise MiError(f"gdb's answer has no number {name}") from error

    def results(self, name: str) -> Results:
        """Return the tuple with this name."""
        return _as_results(name, self._values.get(name, {}))

    def results_list(self, name: str) -> list[Results]:
        """Return a list of tuples."""
        return [_as_results(name, value) for value in self._list(name)]

    def texts(self, name: str) -> list[str]:
        """Return a list of strings."""
        values = self._list(name)
        texts = [value for value in values if isinstance(value, str)]
        if len(texts) < len(values):
            raise MiError(f"gdb's answer has no strings in {name}")
        return texts

    def _list(self, name: str) -> list[object]:
        value = self._values.get(name, [])
        if isinstance(value, list):
            return value
        raise MiError(f"gdb's answer has no list {name}")


def _as_results(name: str, value: object) -> Results:
    if isinstance(value, dict):
        return Results(value)
    raise MiError(f"gdb's answer has no tuple {name}")
