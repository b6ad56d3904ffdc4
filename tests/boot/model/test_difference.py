from pvhdbg.abi.boot_params import BootParams
from pvhdbg.abi.e820 import BootE820Entry
from pvhdbg.boot.model.difference import Mismatch, mismatches
from pvhdbg.boot.model.expected import ExpectedBootParams
from pvhdbg.boot.model.kernel_behavior import KernelBehavior
from tests.boot.handed import UPSTREAM, handed, model


def changed(made: ExpectedBootParams, **fields: tuple[int, bytes]) -> BootParams:
    raw = bytearray(made.boot_params)
    for offset, data in fields.values():
        raw[offset : offset + len(data)] = data
    return BootParams(bytes(raw), 0x310D320)


def test_what_is_as_expected_differs_nowhere() -> None:
    made = model(handed(), UPSTREAM)

    assert [] == mismatches(made, changed(made))


def test_each_field_that_is_not_as_expected_is_named_with_both_values() -> None:
    made = model(handed(), UPSTREAM)
    third = BootParams.e820_table.offset + 3 * BootE820Entry.SIZE

    assert [
        Mismatch(0x211, "boot_params.hdr.loadflags", (0,), 2),
        Mismatch(third + 16, "boot_params.e820_table[3].type", (2,), 1),
    ] == mismatches(made, changed(made, flag=(0x211, b"\x02"), type=(third + 16, b"\x01")))


def test_bytes_between_the_fields_are_fields_too() -> None:
    made = model(handed(), UPSTREAM)

    assert [Mismatch(0xEEC, "boot_params._pad9", (bytes(276),), bytes(275) + b"\1")] == mismatches(
        made, changed(made, last=(4095, b"\1"))
    )


def test_a_byte_that_is_not_known_never_differs() -> None:
    made = model(handed(), KernelBehavior(xen=False, versions=(0x20C,)))

    assert [] == mismatches(made, changed(made, count=(0x1E8, b"\x63"), table=(0x2D0, b"\x63" * 0xD30)))


def test_one_of_several_values_is_as_expected_and_no_other_is() -> None:
    made = model(handed(), UPSTREAM._replace(versions=(0x20C, 0x212)))

    assert [] == mismatches(made, changed(made, version=(0x206, b"\x12\x02")))
    assert [Mismatch(0x206, "boot_params.hdr.version", (0x20C, 0x212), 0x20F)] == mismatches(
        made, changed(made, version=(0x206, b"\x0f\x02"))
    )
