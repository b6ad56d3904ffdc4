"""struct boot_params decoded from bytes, and values of the header as text."""

from pathlib import Path

import pytest

from pvhdbg.abi.boot_params import BootParams
from pvhdbg.abi.setup_header import BOOT_FLAG, HDR, HDRS, LOADERS, LOADFLAGS, PROTOCOLS, XLOADFLAGS, SetupHeader


def zero_page(**contents: bytes) -> BootParams:
    """Return a zero page that contains the given bytes. Each keyword is `at_OFFSET`, with the offset in hex."""
    raw = bytearray(BootParams.SIZE)
    for keyword, data in contents.items():
        offset = int(keyword.removeprefix("at_"), 16)
        raw[offset : offset + len(data)] = data
    return BootParams(bytes(raw), 0x310D320)


def test_a_nested_structure_knows_its_own_address() -> None:
    page = zero_page(at_228=b"\xab\0\0\0")

    assert (0xAB, 0x310D320 + HDR) == (page.hdr.cmd_line_ptr, page.hdr.at)
    assert 0x310D320 + 0x228 == page.hdr.address_of(SetupHeader.cmd_line_ptr)


def test_unaligned_memory_map_entries_are_decoded() -> None:
    page = zero_page(at_1e8=b"\2", at_2e4=bytes.fromhex("00000a0000000000 0000060000000000 02000000"))

    assert (0xA0000, 0x60000, 2, 0x310D320 + 0x2E4) == (
        page.e820_table[1].addr,
        page.e820_table[1].size,
        page.e820_table[1].type,
        page.e820_table[1].at,
    )
    assert (2, 128) == (page.e820_entries, len(page.e820_table))


def test_a_bios_drive_is_decoded_through_two_levels_of_structures() -> None:
    page = zero_page(at_d52=b"\x81", at_d5a=b"\x4a\0")

    assert (0x81, 74) == (page.eddbuf[1].device, page.eddbuf[1].params.length)


def test_disk_signatures_are_decoded_as_32_bit_numbers() -> None:
    assert (0, 0xDEADBEEF) == zero_page(at_294=bytes.fromhex("efbeadde")).edd_mbr_sig_buffer[:2]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0x020C, "2.12"),
        (0x020F, "2.15"),
        (0x0204, "2.04"),
        (0, "0.00: not set"),
        (0x020E, "2.14: skipped by the boot protocol; treat as 2.13"),
        (0xFFFF, "255.255"),
    ],
)
def test_the_boot_protocol_is_shown_as_major_and_minor(value: int, expected: str) -> None:
    assert expected == PROTOCOLS.text(value)


def test_the_boot_protocol_version_of_the_rfc_is_explained() -> None:
    assert PROTOCOLS.text(0x0212).startswith("2.18: no such protocol")


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0xB0, "QEMU, version 0"), (0x90, "Xen, version 0"), (0x72, "GRUB, version 2"), (0x65, "unknown (0x65)")],
)
def test_the_loader_is_shown_as_name_and_version(value: int, expected: str) -> None:
    assert expected == LOADERS.text(value)


def test_every_assigned_loader_identifier_has_a_name() -> None:
    assert {6} == set(range(16)) - LOADERS.names.keys()


def test_loadflags_are_shown_by_name() -> None:
    assert "LOADED_HIGH | CAN_USE_HEAP | 0x4" == LOADFLAGS.text(0x85)


def test_the_header_of_debians_bzimages_matches_the_table(debian_vmlinuz: Path) -> None:
    head = debian_vmlinuz.read_bytes()[:0x10000]
    header = SetupHeader(head[HDR : HDR + SetupHeader.SIZE], HDR)
    text = head[header.kernel_version + 0x200 :].split(b" ")[0].decode()

    assert (BOOT_FLAG, HDRS, "2.15") == (header.boot_flag, header.header, PROTOCOLS.text(header.version))
    assert debian_vmlinuz.name == f"vmlinuz-{text}"
    assert header.at is not None
    # The second byte of the jump gives the end of the header, which kernels pad.
    assert header.at + SetupHeader.SIZE <= 0x202 + (header.jump >> 8)


def test_debians_bzimages_have_the_flags_of_a_64_bit_kernel_that_is_loaded_high(debian_vmlinuz: Path) -> None:
    header = SetupHeader(debian_vmlinuz.read_bytes()[HDR : HDR + SetupHeader.SIZE])

    assert "LOADED_HIGH" == LOADFLAGS.text(header.loadflags)
    assert ["XLF_KERNEL_64", "XLF_CAN_BE_LOADED_ABOVE_4G"] == XLOADFLAGS.text(header.xloadflags).split(" | ")[:2]
    assert (0x1000000, 2047) == (header.pref_address, header.cmdline_size)
