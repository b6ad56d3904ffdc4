"""Expressions in gdb's own language, such as `&boot_params.hdr` or `$rbx * 2`, evaluated to an address."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi import c_integer
from pvhdbg.abi.text import printable
from pvhdbg.boot.session.expression import not_an_integer
from pvhdbg.target.mi.client import MiError, quote

if TYPE_CHECKING:
    from pvhdbg.live.gdb.mi_client import MiClient


def evaluate(gdb: MiClient, text: str) -> int:
    """Return the value of an expression or, if it is not a number, its address.

    :raise MiError: with gdb's own message.
    :raise UserError: if the value is a fraction, or needs more than 64 bits.
    """
    try:
        value = _number(gdb, f"(unsigned long long)({text})")
    except MiError as error:
        try:
            return _number(gdb, f"(unsigned long long)&({text})")
        except MiError:
            raise error from None
    if not _number(gdb, f"({text}) == {value}ULL"):  # gdb's conversion cuts wide integers and fractions
        raise not_an_integer(text)
    return value


def _number(gdb: MiClient, expression: str) -> int:
    shown = gdb.ask(f"-data-evaluate-expression {quote(expression)}").results.text("value")
    value = c_integer.parse(shown)  # `set output-radix` chooses the base
    if value is None:
        raise MiError(f"not a number: {printable(shown)}")
    return value
