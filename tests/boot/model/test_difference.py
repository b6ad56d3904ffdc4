from pvhdbg.abi.boot_params import BootParams
from pvhdbg.abi.e820 import BootE820Entry
from pvhdbg.boot.model.difference import Mismatch, mismatches
from pvhdbg.boot.model.expected import ExpectedBootParams
from pvhdbg.boot.model.kernel_behavior import KernelBehavior
from tests.boot.prepare_stop import UPSTREAM, model, prepare_stop


def kernel_made(expected: ExpectedBootParams, **fields: tuple[int, bytes]) -> BootParams:
    """Return the expected boot_params with other bytes at some offsets. The keywords only document the fields."""
    raw = bytearray(expected.boot_params)
    for offset, data in fields.values():
        raw[offset : offset + len(data)] = data
    return BootParams(bytes(raw), 0x310D320)


def test_boot_params_as_expected_has_no_mismatch() -> None:
    expected = model(prepare_stop(), UPSTREAM)

    assert [] == mismatches(expected, kernel_made(expected))


def test_a_mismatch_names_the_field_and_both_values() -> None:
    expected = model(prepare_stop(), UPSTREAM)
    third = BootParams.e820_table.offset + 3 * BootE820Entry.SIZE

    assert [
        Mismatch(0x211, "boot_params.hdr.loadflags", (0,), 2),
        Mismatch(third + 16, "boot_params.e820_table[3].type", (2,), 1),
    ] == mismatches(expected, kernel_made(expected, flag=(0x211, b"\x02"), type=(third + 16, b"\x01")))


def test_padding_is_compared_too() -> None:
    expected = model(prepare_stop(), UPSTREAM)

    assert [Mismatch(0xEEC, "boot_params._pad9", (bytes(276),), bytes(275) + b"\1")] == mismatches(
        expected, kernel_made(expected, last=(4095, b"\1"))
    )


def test_an_unknown_byte_is_never_a_mismatch() -> None:
    expected = model(prepare_stop(), KernelBehavior(xen=False, versions=(0x20C,)))

    assert [] == mismatches(expected, kernel_made(expected, count=(0x1E8, b"\x63"), table=(0x2D0, b"\x63" * 0xD30)))


def test_a_field_with_alternatives_may_have_any_of_them_and_no_other_value() -> None:
    expected = model(prepare_stop(), UPSTREAM._replace(versions=(0x20C, 0x212)))

    assert [] == mismatches(expected, kernel_made(expected, version=(0x206, b"\x12\x02")))
    assert [Mismatch(0x206, "boot_params.hdr.version", (0x20C, 0x212), 0x20F)] == mismatches(
        expected, kernel_made(expected, version=(0x206, b"\x0f\x02"))
    )
