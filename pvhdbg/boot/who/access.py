"""The accesses to boot data that were observed, in order."""

from __future__ import annotations

from pvhdbg.named_tuple import NamedTuple

REGISTER, IMMEDIATE, COMPUTED, PERHAPS, DMA = "register", "immediate", "computed", "perhaps", "dma"
CONFIDENCES = {
    REGISTER: "the register (or the string instruction) that read the input field also stored it",
    IMMEDIATE: "the value is a constant in the instruction",
    COMPUTED: "the instruction computed the value, or stored one that was computed",
    PERHAPS: "the value was not followed all the way, so the input field is a guess, or not known",
    DMA: "no instruction wrote it: QEMU's fw_cfg device did",
}
"""How well the origin of a value is known. Equal values alone prove nothing: they are at most PERHAPS."""
CERTAINTY = (PERHAPS, COMPUTED, IMMEDIATE, DMA, REGISTER)
"""The confidences, the least certain first."""


class Origin(NamedTuple):
    """Where a stored value came from.

    `paddr` and `size` are the bytes of the input that were copied: the first byte stored is the first byte of them.
    `paddr` is None if the value is not a copy.
    """

    confidence: str
    paddr: int | None = None
    size: int = 0


class Access(NamedTuple):
    """One access of an instruction to boot data. `origin` and `data` describe a store; `origin` is None for a read.

    `rip` is the instruction's linear address, `text` its disassembly. Of a DMA transfer, they are the instruction that
    started it, and what was transferred. `program` is the name of the firmware that the instruction is part of.
    """

    rip: int
    text: str
    paddr: int
    size: int
    origin: Origin | None
    data: bytes = b""
    program: str = ""

    @property
    def end(self) -> int:
        return self.paddr + self.size

    @property
    def is_store(self) -> bool:
        return self.origin is not None
