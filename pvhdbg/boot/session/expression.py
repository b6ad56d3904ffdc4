"""Addresses as users type them: sums and differences of numbers, symbols and registers.

    0x21e0, 8672, 0b1010    numbers as in C, with or without a suffix such as UL
    020740                  octal, because of the leading 0, as in C and gdb
    boot_params + 0x1f1     a symbol's link address
    $rsp - 8, rsp - 8       a register, also cs.base, tr.limit and so on; it takes precedence over a symbol

All addresses are parsed here: those in the shell's `-c`, at the TUI's prompt and after its `:`, and after `pvh` inside
gdb. A number or a result that does not fit in 64 bits is an error. With a live machine, gdb evaluates expressions that
have another form. If gdb can't, the user sees the error from this module.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pvhdbg.abi import c_integer
from pvhdbg.abi.cpu import REGISTERS
from pvhdbg.abi.text import printable
from pvhdbg.errors import RegisterUnavailable, UserError
from pvhdbg.lazy_pattern import pattern
from pvhdbg.named_tuple import NamedTuple

if TYPE_CHECKING:
    from pvhdbg.target.base import Target

_TERM = pattern(r"\s*([+-]?)\s*([0-9]\w*|\$?[A-Za-z_][\w.]*)\s*", re.ASCII)
_LIMIT = 1 << 64
_LONGEST_SHOWN = 80
_RANGE = "use an address from 0 to 0xffffffffffffffff"


class NotAnAddress(UserError):
    """Text that does not have the form described above. gdb may still be able to evaluate it."""


class Term(NamedTuple):
    """A number, symbol or register; `sign` is 1 or -1."""

    sign: int
    text: str

    @property
    def is_number(self) -> bool:
        return self.text[0].isdecimal()

    @property
    def is_symbol(self) -> bool:
        return not self.is_number and not self.text.startswith("$") and self.text not in REGISTERS


class Expression(NamedTuple):
    """A parsed address; its numbers are valid."""

    text: str
    terms: tuple[Term, ...]

    @property
    def is_number(self) -> bool:
        """Whether the expression has neither symbols nor registers."""
        return all(term.is_number for term in self.terms)

    @property
    def is_symbol(self) -> bool:
        """Whether the expression is only the name of a symbol."""
        return len(self.terms) == 1 and self.terms[0].is_symbol and self.terms[0].sign == 1

    @property
    def has_symbols(self) -> bool:
        return any(term.is_symbol for term in self.terms)

    def value(self, target: Target) -> int:
        """Return the address, 0 to 2**64 - 1.

        :raise UserError: if the address is out of range.
        :raise SymbolMissing: if a symbol is unknown.
        :raise RegisterUnavailable: if a register is unknown.
        """
        value = sum(term.sign * _value(term, target) for term in self.terms)
        if not 0 <= value < _LIMIT:
            raise _out_of_range(self.text)
        return value


def evaluate(text: str, target: Target) -> int:
    """Evaluate an address that the user typed, with the symbols and registers of a machine.

    :raise UserError: if the text is not an address, or the address is out of range.
    :raise TargetError: if the machine has no such symbol or register.
    """
    return parse(text).value(target)


def parse(text: str) -> Expression:
    """Parse an address as the user typed it.

    :raise NotAnAddress: if the text has another form.
    :raise UserError: if a number in it is invalid.
    """
    terms: list[Term] = []
    position = 0
    while position < len(text) or not text:
        match = _TERM.match(text, position)
        if match is None or (position and not match[1]):
            raise NotAnAddress(
                f"{_shown(text)}: not an address",
                "use numbers, symbols and registers, joined by + and -",
            )
        terms.append(Term(-1 if match[1] == "-" else 1, match[2]))
        position = match.end()
    for term in terms:
        if term.is_number:
            _number(term.text)
    return Expression(text, tuple(terms))


def _value(term: Term, target: Target) -> int:
    if term.is_number:
        return _number(term.text)
    if term.is_symbol:
        return target.symbol(term.text)
    name = term.text.removeprefix("$")
    try:
        return target.register(name)
    except RegisterUnavailable as error:
        raise RegisterUnavailable(name, f"${printable(name)}: {error}") from error


def _number(text: str) -> int:
    value = c_integer.parse(text)
    if value is None and c_integer.is_bad_octal(text):
        raise UserError(f"{_shown(text)}: not an octal number", "drop the leading 0 to write a decimal number")
    if value is None:
        raise UserError(f"{_shown(text)}: not a number", "write a number as in C: 42, 0x2a, 052 (octal) or 0b101010")
    if value >= _LIMIT:
        raise _out_of_range(text)
    return value


def not_an_integer(text: str) -> UserError:
    """Return the error for an expression of a debugger whose value is a fraction, or needs more than 64 bits."""
    return UserError(f"{_shown(text)}: not a 64-bit integer", _RANGE)


def _out_of_range(text: str) -> UserError:
    return UserError(f"{_shown(text)}: out of range", _RANGE)


def _shown(text: str) -> str:
    return f'"{printable(text[:_LONGEST_SHOWN])}"'


def entry_at(text: str, target: Target) -> int:
    """Return the entry address that the user typed (without symbols), or the entry of the ELF file that the user named.

    :raise PvhdbgError: if the address is invalid, or the file has no PVH entry.
    """
    try:
        expression = parse(text)
    except NotAnAddress:
        return _entry_of(text)
    return _entry_of(text) if expression.has_symbols else expression.value(target)


def _entry_of(path: str) -> int:
    from pvhdbg.image.facts import read_facts

    entry = read_facts(path).entry
    if entry is None:
        raise UserError(
            f"{printable(path)}: no PVH entry", "pass a kernel built with CONFIG_PVH, or the entry's address"
        )
    return entry
