"""Names of firmware, and requests to QEMU's fw_cfg device."""

from __future__ import annotations

import pytest

from pvhdbg.boot.who import roms
from pvhdbg.boot.who.roms import DmaRequest, Roms, dma_failed, dma_request


def code(*parts: tuple[int, bytes]) -> bytes:
    """Return the firmware's memory with these bytes at these addresses."""
    memory = bytearray(roms.SIZE)
    for address, data in parts:
        memory[address - roms.START : address - roms.START + len(data)] = data
    return bytes(memory)


def option_rom(product: bytes, units: int = 3) -> bytes:
    """Return an option ROM with a Plug and Play header at 0x1c, as QEMU's pvh.bin has it."""
    head = b"\x55\xaa" + bytes((units,))
    return head.ljust(0x1A, b"\0") + b"\x1c\0" + b"$PnP".ljust(0x10, b"\0") + b"\x3c\0".ljust(16, b"\0") + product


def test_option_roms_are_named_by_their_product() -> None:
    other = option_rom(b"iPXE\0", 8)
    found = Roms(code((0xC0000, other), (0xC1000, option_rom(b"PVH loader\0")), (0xC1800, b"\x55\xaa\x01")))

    assert "option ROM" == found.name(0xC0FFF)
    assert ("pvh.bin", "pvh.bin", "firmware") == tuple(map(found.name, (0xC1000, 0xC15FF, 0xC1600)))
    assert ("option ROM", "firmware") == tuple(map(found.name, (0xC19FF, 0xC1A00)))


@pytest.mark.parametrize(
    ("text", "address", "name"),
    [
        (b"\0SeaBIOS\0", 0xF0400, "SeaBIOS"),
        (b"\0qboot\0", 0xF3000, "qboot"),
        (b"\0qboot=1\0", 0xF3000, "firmware"),
        (b"\0qboot\0", 0xEFC60, "firmware"),  # qboot puts the command line below its code
    ],
)
def test_the_firmware_is_named_by_what_it_calls_itself(text: bytes, address: int, name: str) -> None:
    found = Roms(code((address, text)))

    assert (name, name) == (found.name(0xE0000), found.name(0xFFFFF))
    assert ("firmware", "firmware") == (found.name(0x1EFF3594), found.name(0xD0000))


def test_outs_to_a_port_of_the_dma_registers_are_found() -> None:
    dma = b"\xba\x18\x05\x00\x00\xef"  # mov $0x518, %edx; out %eax, %dx
    high = b"\x66\xba\x14\x05\x00\x00\x66\xef"  # the same in 16-bit code, for port 0x514
    other = b"\xba\xf8\x0c\x00\x00\xef"
    found = Roms(code((0xC0200, other), (0xC0300, dma), (0xF0000, high))).dma_starts()

    assert {0xC0305, 0xF0006, 0xF0007} == found


def test_requests_that_copy_to_memory_are_understood() -> None:
    where = (0x40).to_bytes(4, "big") + (0xEFC60).to_bytes(8, "big")

    assert DmaRequest(0xEFC60, 0x40, 0x15) == dma_request((0x15 << 16 | 0x0A).to_bytes(4, "big") + where)
    assert DmaRequest(0xEFC60, 0x40, None) == dma_request((0x15 << 16 | 2).to_bytes(4, "big") + where)
    assert dma_request((0x15 << 16 | 0x08).to_bytes(4, "big") + where) is None
    assert dma_request((0x10).to_bytes(4, "big") + where) is None
    assert dma_request(b"\0\0\0\2" + bytes(12)) is None


def test_a_request_is_executed_when_the_device_has_cleared_it() -> None:
    assert not dma_failed(bytes(16))
    assert dma_failed(b"\0\0\0\1" + bytes(12))
    assert dma_failed(b"\0\x15\0\x0a" + bytes(12))
