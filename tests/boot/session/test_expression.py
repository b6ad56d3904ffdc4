"""Addresses as users write them."""

from __future__ import annotations

import pytest

from pvhdbg import guest
from pvhdbg.boot.session.expression import entry_at, evaluate
from pvhdbg.errors import PvhdbgError, RegisterUnavailable, SymbolMissing, UserError
from pvhdbg.target.recording import Recording

MACHINE = Recording((), {"rsp": 0x7B38, "cs.base": 0, "a20": None}, {"boot_params": 0xFFFFFFFF832BA460, "x.y": 16})


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("0x21e0", 0x21E0),
        ("0X21E0", 0x21E0),
        ("4096", 4096),
        ("010", 8),
        ("0", 0),
        (" 1 + 2 - 0x1 ", 2),
        ("boot_params", 0xFFFFFFFF832BA460),
        ("boot_params+0x1f1", 0xFFFFFFFF832BA651),
        ("$rsp - 8", 0x7B30),
        ("$cs.base", 0),
        ("x.y", 16),
        ("-1", 0xFFFFFFFFFFFFFFFF),
        ("0xffffffffffffffff + 2", 1),
    ],
)
def test_an_address_is_a_sum_of_numbers_symbols_and_registers(words: str, expected: int) -> None:
    assert expected == evaluate(words, MACHINE)


@pytest.mark.parametrize(
    "words", ["", " ", "1 2", "1 +", "+", "0x", "08", "1*2", "a b", "*p", "&p", "é", "1 + + 2", "\0"]
)
def test_what_is_no_sum_is_the_call_s_fault(words: str) -> None:
    with pytest.raises(UserError):
        evaluate(words, MACHINE)


@pytest.mark.parametrize(
    ("words", "kind"), [("nothing", SymbolMissing), ("$r99", RegisterUnavailable), ("$a20", RegisterUnavailable)]
)
def test_what_the_machine_does_not_know_is_said_by_the_machine(words: str, kind: type[PvhdbgError]) -> None:
    with pytest.raises(kind):
        evaluate(words, MACHINE)


@pytest.mark.parametrize("where", ["0x1000000", "16777216", str(guest.ELF)])
def test_an_entry_is_told_by_its_address_or_by_a_file(where: str) -> None:
    assert 0x1000000 == entry_at(where)


@pytest.mark.parametrize("where", ["08", "", "/nowhere", __file__, "/bin/true"])
def test_what_tells_no_entry_is_the_call_s_fault(where: str) -> None:
    with pytest.raises(UserError):
        entry_at(where)


def test_a_long_sum_takes_no_time() -> None:
    assert 5000 == evaluate("+".join(["1"] * 5000), MACHINE)
