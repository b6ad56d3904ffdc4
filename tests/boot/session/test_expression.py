"""The parser for addresses as users type them."""

from __future__ import annotations

import pytest

from pvhdbg import guest
from pvhdbg.boot.session.expression import NotAnAddress, entry_at, evaluate, parse
from pvhdbg.errors import PvhdbgError, RegisterUnavailable, SymbolMissing, UserError
from pvhdbg.target.recording import Recording

MACHINE = Recording(
    (),
    {"rsp": 0x7B38, "rip": 0x1000000, "cs.base": 0, "a20": None},
    {"boot_params": 0xFFFFFFFF832BA460, "x.y": 16, "rsp": 1},
)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("0x21e0", 0x21E0),
        ("0X21E0", 0x21E0),
        ("4096", 4096),
        ("010", 8),
        ("0b1010", 10),
        ("0x10UL", 16),
        ("0", 0),
        (" 1 + 2 - 0x1 ", 2),
        ("-1 + 2", 1),
        ("+1", 1),
        ("0xffffffffffffffff", (1 << 64) - 1),
        ("0xffffffffffffffff + 2 - 2", (1 << 64) - 1),
        ("boot_params", 0xFFFFFFFF832BA460),
        ("boot_params+0x1f1", 0xFFFFFFFF832BA651),
        ("boot_params - 0xffffffff80000000", 0x32BA460),
        ("$rsp - 8", 0x7B30),
        ("rsp - 8", 0x7B30),
        ("cs.base", 0),
        ("$cs.base", 0),
        ("x.y", 16),
    ],
)
def test_an_address_is_a_sum_of_numbers_symbols_and_registers(text: str, address: int) -> None:
    assert address == evaluate(text, MACHINE)


def test_only_a_name_alone_is_a_symbol() -> None:
    texts = ("boot_params", "x.y", "+boot_params", "-boot_params", "boot_params + 1", "x.y + x.y", "1", "rsp", "$rsp")

    assert ["boot_params", "x.y", "+boot_params"] == [text for text in texts if parse(text).is_symbol]


@pytest.mark.parametrize(
    "text", ["", " ", "1 2", "1 +", "boot_params+", "+", "1*2", "a b", "*p", "&p", "é", "1 + + 2", "\0", "1.5", "$"]
)
def test_text_of_another_form_is_not_an_address(text: str) -> None:
    with pytest.raises(NotAnAddress, match=r'^".*": not an address$'):
        evaluate(text, MACHINE)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("08", '"08": not an octal number'),
        ("boot_params + 019", '"019": not an octal number'),
        ("0x", '"0x": not a number'),
        ("0o52", '"0o52": not a number'),
        ("12ab", '"12ab": not a number'),
        ("99999999999999999999999999999999", '"99999999999999999999999999999999": out of range'),
        ("0x10000000000000000", '"0x10000000000000000": out of range'),
        ("-1", '"-1": out of range'),
        ("0xffffffffffffffff + 1", '"0xffffffffffffffff + 1": out of range'),
        ("$rsp - 0x8000", '"$rsp - 0x8000": out of range'),
    ],
)
def test_an_invalid_number_or_an_address_outside_64_bits_is_an_error(text: str, message: str) -> None:
    with pytest.raises(UserError) as error:
        evaluate(text, MACHINE)

    assert (message, False) == (str(error.value), isinstance(error.value, NotAnAddress))


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ("nothing", SymbolMissing, "no symbol nothing"),
        ("$r99", RegisterUnavailable, r"\$r99: "),
        ("$a20", RegisterUnavailable, r"\$a20: "),
    ],
)
def test_an_unknown_name_is_an_error_of_the_machine(text: str, kind: type[PvhdbgError], message: str) -> None:
    with pytest.raises(kind, match=f"^{message}"):
        evaluate(text, MACHINE)


@pytest.mark.parametrize("where", ["0x1000000", "16777216", "0x800000 + 0x800000", "$rip", str(guest.ELF)])
def test_an_entry_is_an_address_or_the_entry_of_a_kernel_file(where: str) -> None:
    assert 0x1000000 == entry_at(where, MACHINE)


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("08", "not an octal number"),
        ("0x10000000000000000", "out of range"),
        ("", "No such file"),
        ("boot_params", "No such file"),
        ("/nowhere", "No such file"),
        (__file__, "not an ELF file"),
        ("/bin/true", "no PVH entry"),
    ],
)
def test_an_invalid_address_or_a_file_without_an_entry_is_refused(where: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        entry_at(where, MACHINE)


def test_a_long_sum_takes_no_time() -> None:
    assert 5000 == evaluate("+".join(["1"] * 5000), MACHINE)
