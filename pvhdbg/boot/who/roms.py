"""The firmware's code below 1 MiB: which program an address belongs to, and where firmware starts DMA transfers.

Sources: the PCI Firmware Specification and the Plug and Play BIOS Specification, for option ROMs; QEMU
docs/specs/fw_cfg.rst, for DMA.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi.alignment import align_up
from pvhdbg.named_tuple import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

START, SIZE = 0xC0000, 0x40000
"""Where PCs have the code of option ROMs and of the firmware."""

PVH_ROM, OTHER_ROM, OTHER = "pvh.bin", "option ROM", "firmware"
_NAMES = {b"\0SeaBIOS\0": "SeaBIOS", b"\0qboot\0": "qboot"}
"""Strings by which a firmware names itself in its last 64 KiB, for example for SMBIOS."""

_BIOS, _LAST_SEGMENT, _END = 0xE0000, 0xF0000, START + SIZE
_ROM_STEP, _ROM_SIGNATURE, _ROM_UNIT = 0x800, b"\x55\xaa", 512
_PNP_POINTER, _PNP_SIGNATURE, _PNP_PRODUCT = 0x1A, b"$PnP", 0x10
_PVH_PRODUCT = b"PVH loader\0"
_OUT, _OPERAND_SIZE, _BEFORE = 0xEF, 0x66, 64
DMA_HIGH, DMA_LOW = 0x514, 0x518
"""The ports of the address of a DMA request. A write to the second one starts the transfer."""

REQUEST_SIZE = 16
"""The size of struct FWCfgDmaAccess."""
_READ, _SELECT = 1 << 1, 1 << 3


class DmaRequest(NamedTuple):
    """A request to the fw_cfg device: to copy bytes of an item to `paddr`. `item` is None for the current one."""

    paddr: int
    size: int
    item: int | None


def dma_request(data: bytes) -> DmaRequest | None:
    """Return the request that struct FWCfgDmaAccess describes; None if it does not copy data to memory."""
    control, size, paddr = (int.from_bytes(data[start:end], "big") for start, end in ((0, 4), (4, 8), (8, 16)))
    item = control >> 16 if control & _SELECT else None
    return DmaRequest(paddr, size, item) if control & _READ and size else None


def dma_failed(data: bytes) -> bool:
    """Return whether the device has not executed a request: it clears `control`, or sets the error bit there."""
    return data[:4] != bytes(4)


class Roms:
    """The bytes from START on, SIZE of them, as they are when the kernel is entered."""

    def __init__(self, code: bytes) -> None:
        self._code = code
        self._rom_names = dict(self._option_roms())
        last = code[_LAST_SEGMENT - START :]
        self._bios = next((name for text, name in _NAMES.items() if text in last), OTHER)

    def name(self, address: int) -> str:
        """Return the name of the program that has an address."""
        if _BIOS <= address < _END:
            return self._bios
        return next((name for span, name in self._rom_names.items() if address in span), OTHER)

    def _option_roms(self) -> Iterator[tuple[range, str]]:
        """Yield the addresses and the name of each option ROM."""
        offset = 0
        while offset < _BIOS - START:
            size = self._code[offset + 2] * _ROM_UNIT if self._code[offset:][:2] == _ROM_SIGNATURE else 0
            if size:
                yield range(START + offset, START + offset + size), self._rom_name(offset)
            offset += align_up(size, _ROM_STEP) or _ROM_STEP

    def _rom_name(self, offset: int) -> str:
        header = offset + self._word(offset + _PNP_POINTER)
        if self._code[header:][:4] != _PNP_SIGNATURE:
            return OTHER_ROM
        product = offset + self._word(header + _PNP_PRODUCT)
        return PVH_ROM if self._code[product:].startswith(_PVH_PRODUCT) else OTHER_ROM

    def _word(self, offset: int) -> int:
        return int.from_bytes(self._code[offset : offset + 2], "little")

    def dma_starts(self) -> set[int]:
        """Return where instructions may begin that start a DMA transfer: `out %eax, %dx` after a use of the port.

        Some of the addresses are not of such an instruction.
        """
        found = set()
        ports = [port.to_bytes(2, "little") for port in (DMA_HIGH, DMA_LOW)]
        at = self._code.find(_OUT)
        while at >= 0:
            if any(port in self._code[max(at - _BEFORE, 0) : at] for port in ports):
                has_prefix = at > 0 and self._code[at - 1] == _OPERAND_SIZE
                found |= {START + at, *([START + at - 1] if has_prefix else [])}
            at = self._code.find(_OUT, at + 1)
        return found
