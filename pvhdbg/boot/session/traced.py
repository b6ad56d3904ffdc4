"""Who wrote bytes, according to a trace."""

from __future__ import annotations

from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING

from pvhdbg.abi.text import printable
from pvhdbg.boot.stop.address import Addresses, linked_physical
from pvhdbg.boot.who import request
from pvhdbg.boot.who.access import COMPUTED, IMMEDIATE, PERHAPS, REGISTER
from pvhdbg.boot.who.answer import CPU, Answer, Code, WhoResult, Writer
from pvhdbg.boot.who.fields import FieldBytes, Fields
from pvhdbg.errors import TargetError, UserError

if TYPE_CHECKING:
    from pvhdbg.boot.record.trace_index import TraceIndex

_MOST_WRITERS, _MOST_FIELDS, _WORD = 64, 64, 8
_DIRECTION = 1 << 10
_COMPUTES = ("add", "sub", "or", "and", "xor", "inc", "dec", "not", "neg", "sh", "ro", "adc", "sbb", "call")
"""How the names of instructions begin that compute what they store."""


def who(index: TraceIndex, text: str) -> WhoResult:
    """Return the writers of a field, of all fields, or of the bytes at an address.

    :raise UserError: if there is no such field, or no instruction of the trace writes it.
    """
    fields = Fields(*index.document.stops)
    found = (_answer(index, fields, field) for field in _wanted(index, fields, text))
    answers = tuple(islice((answer for answer in found if answer.writers), _MOST_FIELDS))
    if not answers:
        why = f"who: no instruction of this trace writes {printable(text[:80])}"
        raise UserError(why, "run `pvhdbg who` with the kernel, which also watches the firmware")
    return WhoResult(answers, {}, is_traced=True)


def _wanted(index: TraceIndex, fields: Fields, text: str) -> tuple[FieldBytes, ...]:
    if text == request.UNREAD:
        raise UserError("who --unread: a trace does not have the reads", "run `pvhdbg who --unread` with the kernel")
    if not text[:1].isdecimal():
        return request.fields_of(text, fields, index.document.kernel)
    address, length = request.address(text)
    linked = linked_physical(index.document.kernel, address)
    paddr = address if linked is None else linked
    field = fields.at(paddr) if length is None else None
    return (field or FieldBytes(f"{address:#x}", paddr, length or _WORD),)


def _answer(index: TraceIndex, fields: Fields, field: FieldBytes) -> Answer:
    found = islice(index.writers(field.paddr, field.size), _MOST_WRITERS)
    writers = (_writer(index, fields, step, paddr, data) for step, paddr, data in found)
    return Answer(field.path, field.paddr, field.size, tuple(writers), ())


def _writer(index: TraceIndex, fields: Fields, step: int, paddr: int, data: bytes) -> Writer:
    code = index.code_at(step)
    confidence, origin = _origin(index, fields, step, paddr)
    place = Code(code.rip, code.symbol, (), code.source)
    return Writer(CPU, place, f"step {step:,}: {code.text}", paddr, len(data), data, origin, confidence)


def _origin(index: TraceIndex, fields: Fields, step: int, paddr: int) -> tuple[str, str | None]:
    """Return what an instruction alone proves about the value. Values in registers are not followed."""
    code = index.code_at(step)
    words = [word for word in code.text.split() if not word.startswith("rep")]
    if words[0].startswith("movs") and code.text.startswith("rep"):
        copied = _copied(index, fields, step, paddr)
        return (REGISTER, copied) if copied else (COMPUTED, None)
    if words[0].startswith("mov") and words[1:] and words[1].startswith("$"):
        return IMMEDIATE, None
    return (COMPUTED if words[0].startswith(_COMPUTES) else PERHAPS), None


def _copied(index: TraceIndex, fields: Fields, step: int, paddr: int) -> str | None:
    """Return the path of the field from which a string instruction copied the byte at an address."""
    target, registers = index.target_at(step), index.registers_at(step)
    store, *others = index.trace.steps[step].stores
    source = registers.get("rsi")
    if source is None or others or (registers.get("eflags") or 0) & _DIRECTION:
        return None
    with suppress(TargetError):
        at = Addresses(target, registers, index.document.kernel).physical(source + paddr - store.paddr)
        return fields.path_at(at)
    return None
