"""Addresses as users write them: sums of numbers, symbols and registers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pvhdbg.abi.text import printable
from pvhdbg.errors import UserError

if TYPE_CHECKING:
    from pvhdbg.target.base import Target

_MASK = (1 << 64) - 1
_NUMBER = "0[xX][0-9a-fA-F]+|[0-9]+"
_TERM = re.compile(rf"\s*([+-]?)\s*({_NUMBER}|\$?[A-Za-z_][\w.]*)\s*")


def evaluate(words: str, target: Target) -> int:
    """A sum of numbers, symbols and `$registers`: `pvh_start_info + 0x28`, `$rsp`.

    :raise UserError: if it is none.
    :raise TargetError: if the machine has no such symbol or register.
    """
    return sum(sign * _value(term, target) for sign, term in _terms(words)) & _MASK


def _terms(words: str) -> list[tuple[int, str]]:
    """Each term with its sign, 1 or -1."""
    terms: list[tuple[int, str]] = []
    at = 0
    while at < len(words) or not words:
        found = _TERM.match(words, at)
        if found is None or (at and not found[1]):
            raise UserError(
                f'"{printable(words[:80])}" is no address', "numbers, symbols and $registers, with + and - between"
            )
        terms.append((-1 if found[1] == "-" else 1, found[2]))
        at = found.end()
    return terms


def _value(term: str, target: Target) -> int:
    if term.startswith("$"):
        return target.register(term[1:])
    return _number(term) if term[0].isdigit() else target.symbol(term)


def _number(term: str) -> int:
    """As C has them."""
    try:
        return int(term, 8 if term.isdigit() and term.startswith("0") else 0)
    except ValueError:
        raise UserError(f"{printable(term[:40])} is no number") from None


def entry_at(where: str) -> int:
    """The entry address that is meant by a number, or that an ELF file tells.

    :raise PvhdbgError: if it is neither.
    """
    if re.fullmatch(_NUMBER, where):
        return _number(where)
    from pvhdbg.image.facts import read_facts

    entry = read_facts(where).entry
    if entry is None:
        raise UserError(f"{printable(where)} has no PVH note: it tells no entry")
    return entry
