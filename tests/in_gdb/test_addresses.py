"""Typed addresses in stock gdb: the table of tests.addresses through `pvh code`, `pvh start-info` and `pvh run-to`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.addresses import ERRORS, GDB_ERRORS, GDB_ONLY, VALUES
from tests.in_gdb.booted import ENTRY, boot

if TYPE_CHECKING:
    from pathlib import Path

EVALUATE = "python from pvhdbg.in_gdb.install import CURRENT; print(CURRENT.session.evaluate_now({!r}))"


@pytest.mark.parametrize("command", ["code", "start-info", "run-to entry"])
def test_a_bad_address_has_the_same_error_as_everywhere(command: str, tmp_path: Path) -> None:
    is_entry = command == "run-to entry"  # `run-to entry` also accepts a file, as one word
    errors = {
        text: error
        for text, error in (ERRORS | GDB_ERRORS).items()
        if not is_entry or text in ("08", "0x", "0x10000000000000000")
    }
    output = boot(tmp_path, *(f"pvh {command} {text}" for text in errors), symbols=not is_entry)

    assert len(errors) == len(output.errors)
    for error, expected in zip(output.errors, errors.values(), strict=True):
        assert error.startswith(expected)
        assert "\n" not in error


def test_an_address_has_the_same_value_as_everywhere(tmp_path: Path) -> None:
    values = {text: value for text, value in (VALUES | GDB_ONLY).items() if value is not None}
    output = boot(tmp_path, "pvh run-to entry", *map(EVALUATE.format, values), EVALUATE.format("$rip - 1"))

    assert [] == output.errors
    assert [*values.values(), ENTRY - 1] == [int(text) for text in output.texts[1:]]


def test_the_address_for_a_function_is_not_cut(tmp_path: Path) -> None:
    output = boot(tmp_path, "pvh run-to entry", "print $pvh_phys(1e30)", "print $pvh_phys(1.5)")

    assert ['"1e+30": not a 64-bit integer', '"1.5": not a 64-bit integer'] == [
        error.partition(" (")[0] for error in output.errors
    ]
