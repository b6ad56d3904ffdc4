"""What is known about the bytes of a field: who wrote them, and who read them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.named_tuple import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

CPU, FIRMWARE_DMA, PVHDBG = "cpu", "fw_cfg-dma", "pvhdbg"
BY = {
    CPU: "an instruction of the guest",
    FIRMWARE_DMA: "QEMU's fw_cfg device, which firmware asks for data",
    PVHDBG: "pvhdbg itself, with --set, --protocol or --vmm",
}
"""What writes boot data."""


class Code(NamedTuple):
    """A place in the guest's code. `inlined` has the inlined functions, the innermost first; `source` is FILE:LINE.

    In firmware, `symbol` is the name of the program, such as SeaBIOS.
    """

    rip: int
    symbol: str | None = None
    inlined: tuple[str, ...] = ()
    source: str | None = None

    @property
    def function(self) -> str:
        """The function that contains the source line: the innermost inlined function."""
        symbol = (self.symbol or "").partition("+")[0]
        return self.inlined[0] if self.inlined else symbol or f"{self.rip:#x}"


class Writer(NamedTuple):
    """One write. `paddr` and `size` are the bytes of the field that were written; `data` is what was written.

    `code` is None if no instruction wrote them; `instruction` then says what was written, if that is known. `origin` is
    the path of the input field whose value was written.
    """

    by: str
    code: Code | None
    instruction: str
    paddr: int
    size: int
    data: bytes
    origin: str | None
    confidence: str


class Reader(NamedTuple):
    """One instruction that read bytes of the field, `times` times."""

    code: Code
    instruction: str
    times: int


class WhoResult(NamedTuple):
    """The answers to one question. `links` has the answers about the input fields from which values came, by path.

    `different` has the paths of fields that have other bytes in the observed boot than in the user's machine.
    `unexplained` has the paths of fields whose final bytes no observed writer left. `ended` is how the guest died
    before it was observed up to the end, as one line; None if it did not. `is_traced`: the answers come from a trace,
    which has no reads. `left_out` has a text for each long list of which only the first items are covered.
    """

    answers: tuple[Answer, ...]
    links: Mapping[str, Answer]
    different: tuple[str, ...] = ()
    unexplained: tuple[str, ...] = ()
    ended: str | None = None
    is_traced: bool = False
    left_out: tuple[str, ...] = ()


class Answer(NamedTuple):
    """What is known about one field. `writers` begins with the last one. `path` is the path of the field in the JSON.

    `path` is an address if the user asked for bytes that are not a field.
    """

    path: str
    paddr: int
    size: int
    writers: tuple[Writer, ...]
    readers: tuple[Reader, ...]

    @property
    def is_only_cleared(self) -> bool:
        """Whether one repeated instruction wrote the field, nothing else did, and nothing read it."""
        is_cleared = len(self.writers) == 1 and "stos" in self.writers[0].instruction
        return is_cleared and self.path.startswith("boot_params.") and not self.readers

    @property
    def last_writers(self) -> tuple[Writer, ...]:
        """The writers of the final bytes, by address: several if each wrote only some of the field's bytes."""
        found: list[Writer] = []
        written: set[int] = set()
        for writer in self.writers:
            fresh = set(range(writer.paddr, writer.paddr + writer.size)) - written
            found += [writer] if fresh else []
            written |= fresh
        return tuple(sorted(found, key=lambda writer: writer.paddr))
