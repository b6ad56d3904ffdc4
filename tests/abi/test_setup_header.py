"""What the numbers of the setup header mean; tests/abi/test_bits.py compares their names with Linux."""

import pytest

from pvhdbg.abi.setup_header import LOADERS, PROTOCOLS


@pytest.mark.parametrize(
    ("value", "name", "text"),
    [
        (0x00, "LILO", "LILO, version 0"),
        (0x3F, "Syslinux", "Syslinux, version 15"),
        (0xB0, "QEMU", "QEMU, version 0"),
    ],
)
def test_a_loader_has_its_number_in_the_high_nibble_and_its_version_in_the_low_one(
    value: int, name: str, text: str
) -> None:
    assert (name, text) == (LOADERS.name(value), LOADERS.text(value))


def test_an_unknown_loader_is_shown_with_its_whole_number() -> None:
    unknown = next(number for number in range(16) if number not in LOADERS.names)

    assert f"unknown ({unknown << 4 | 5:#x})" == LOADERS.text(unknown << 4 | 5)


@pytest.mark.parametrize(("value", "text"), [(0x020C, "2.12"), (0x0203, "2.03"), (0x020F, "2.15"), (0x0100, "1.00")])
def test_a_protocol_version_has_its_parts_in_two_bytes(value: int, text: str) -> None:
    assert text == PROTOCOLS.text(value)


def test_versions_with_a_story_are_explained() -> None:
    assert PROTOCOLS.text(0) == "0.00: not set"
    assert PROTOCOLS.text(0x20E).startswith("2.14: skipped")
