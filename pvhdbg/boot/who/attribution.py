"""From the accesses that were observed to the writers and readers of fields."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from pvhdbg.boot.who.access import DMA, IMMEDIATE, PERHAPS, REGISTER
from pvhdbg.boot.who.answer import CPU, FIRMWARE_DMA, PVHDBG, Answer, Code, Reader, Writer
from pvhdbg.named_tuple import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from pvhdbg.boot.who.access import Access
    from pvhdbg.boot.who.fields import FieldBytes, Fields

    CodeAt = Callable[[int], Code]
    Read = Callable[[int, int], bytes]

_BUILT = ("pvh_start_info", "boot_params", "kernel_boot_params", "e820_table")
"""What the kernel fills in."""


class Change(NamedTuple):
    """Bytes that pvhdbg wrote."""

    paddr: int
    data: bytes

    @property
    def end(self) -> int:
        return self.paddr + len(self.data)


class Observation(NamedTuple):
    """What was observed in one boot, in order.

    `firmware` is what was written up to the entry, `changes` what pvhdbg wrote there, `accesses` what came after. If
    the guest died, `loaded` is what had been in memory where the kernel builds its structures.
    """

    accesses: Sequence[Access]
    changes: Sequence[Change]
    fields: Fields
    firmware: Sequence[Access] = ()
    loaded: Sequence[Change] = ()


def answers(observation: Observation, wanted: Iterable[FieldBytes], code_at: CodeAt) -> tuple[Answer, ...]:
    """Return what is known about each of these fields, in their order."""
    return tuple(
        Answer(
            field.path,
            field.paddr,
            field.size,
            tuple(_writers(observation, field, code_at)),
            tuple(_readers(observation.accesses, field, code_at)),
        )
        for field in wanted
    )


def _writers(observation: Observation, field: FieldBytes, code_at: CodeAt) -> Iterator[Writer]:
    """Yield the writers of a field, the last one first."""
    yield from _by_accesses(observation.accesses, observation.fields, field, code_at)
    for change in reversed(observation.changes):
        paddr, end = max(change.paddr, field.paddr), min(change.end, field.end)
        if paddr < end:
            data = change.data[paddr - change.paddr : end - change.paddr]
            yield Writer(PVHDBG, None, "", paddr, end - paddr, data, None, IMMEDIATE)
    yield from _by_accesses(observation.firmware, observation.fields, field, code_at)


def _by_accesses(accesses: Sequence[Access], fields: Fields, field: FieldBytes, code_at: CodeAt) -> Iterator[Writer]:
    for access in reversed(accesses):
        if access.origin is None or not _overlaps(access, field):
            continue
        paddr = max(access.paddr, field.paddr)
        size = min(access.end, field.end) - paddr
        skipped = paddr - access.paddr
        data = access.data[skipped : skipped + size]
        confidence = access.origin.confidence
        if confidence == DMA:
            yield Writer(FIRMWARE_DMA, None, access.text, paddr, size, data, None, confidence)
        else:
            code = Code(access.rip, access.program) if access.program else code_at(access.rip)
            yield Writer(CPU, code, access.text, paddr, size, data, _origin(fields, access, skipped), confidence)


def _origin(fields: Fields, access: Access, skipped: int) -> str | None:
    """Return the path of the input field from which the bytes after the first `skipped` ones were copied."""
    origin = access.origin
    if origin is None or origin.paddr is None or origin.confidence not in (REGISTER, PERHAPS):
        return None
    if skipped >= origin.size:  # these bytes are zeros, with which a smaller value was extended
        skipped = 0
    return fields.path_at(origin.paddr + skipped)


def _readers(accesses: Sequence[Access], field: FieldBytes, code_at: CodeAt) -> Iterator[Reader]:
    found = Counter((one.rip, one.text) for one in accesses if not one.is_store and _overlaps(one, field))
    for (rip, text), count in found.items():
        yield Reader(code_at(rip), text, count)


def _overlaps(access: Access, field: FieldBytes) -> bool:
    return access.paddr < field.end and field.paddr < access.end


def unexplained(observation: Observation, fields: Iterable[FieldBytes], read: Read) -> Iterator[str]:
    """Yield the paths of the fields whose final bytes are not those that their last observed writers left.

    `read` returns the final bytes at a physical address. Memory is 0 after a reset, so a zero of the boot data from
    the VMM needs no writer.
    """
    known = dict(_stored(observation.firmware))
    for change in (*observation.loaded, *observation.changes):
        known.update(zip(range(change.paddr, change.end), change.data, strict=True))
    known.update(_stored(observation.accesses))
    for field in fields:
        unwritten = None if field.path.startswith(_BUILT) else 0
        left = [known.get(paddr, unwritten) for paddr in range(field.paddr, field.end)]
        if left != list(read(field.paddr, field.size)):
            yield field.path


def _stored(accesses: Iterable[Access]) -> Iterator[tuple[int, int]]:
    """Yield the address and the value of each byte that was stored, in order."""
    for access in accesses:
        if access.is_store:
            yield from zip(range(access.paddr, access.end), access.data, strict=True)
