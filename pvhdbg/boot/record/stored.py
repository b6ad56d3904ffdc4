"""What a recording keeps as it was found, because it cannot be decoded again from memory."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from pvhdbg.abi.e820 import ZERO_PAGE_ENTRIES, BootE820Entry
from pvhdbg.boot.record import checked
from pvhdbg.boot.record.checked import NotARecording
from pvhdbg.boot.record.document import WATCH_ENDS, Watched
from pvhdbg.boot.stop.capture import (
    MAX_CODE,
    MAX_LOG,
    MAX_OVERWRITTEN,
    MAX_ROWS,
    MAX_SERIAL,
    MAX_TEXT,
    CodeRow,
    Hypercall,
    LogLine,
    Overwritten,
)
from pvhdbg.boot.who.access import CONFIDENCES
from pvhdbg.boot.who.answer import BY, Answer, Code, Reader, Writer

if TYPE_CHECKING:
    from pvhdbg.boot.stop.capture import Capture


OLDER = "not in this recording: an older pvhdbg made it"


def add_to(decoded: Capture, stop: dict[str, Any]) -> Capture:
    """Return a decoded capture with what its stop keeps as it was found."""
    reasons = checked.dictionary(stop.get("missing"), "missing")
    why = {key: checked.reason(reasons.get(key), "" if key in stop else OLDER) for key in ("serial", "log")}
    return decoded._replace(
        overwritten=overwritten(stop),
        code=code(stop),
        serial=serial(stop),
        log=log(stop),
        missing={**decoded.missing, **{key: reason for key, reason in why.items() if reason}},
    )


def code(stop: dict[str, Any]) -> tuple[CodeRow, ...] | None:
    """Return the instructions around RIP, in the order of their addresses."""
    if stop.get("code") is None:
        return None
    items = checked.objects(stop["code"], "code", MAX_ROWS)
    rows = tuple(
        CodeRow(
            checked.address(item, "address"),
            checked.hexadecimal(item, "hex"),
            checked.short_text(item, "text", MAX_TEXT),
            checked.short_text(item, "source", MAX_TEXT),
        )
        for item in items
    )
    if sum(len(row.raw) for row in rows) > MAX_CODE:
        raise NotARecording(f"code has more than {MAX_CODE} bytes")
    if any(row.address + len(row.raw) > following.address for row, following in pairwise(rows)):
        raise NotARecording("code is not in ascending order, or overlaps")
    return rows


def serial(stop: dict[str, Any]) -> bytes | None:
    """Return the serial output. It has one character for each byte."""
    output = checked.maybe(str, stop, "serial")
    if output is None:
        return None
    if len(output) > MAX_SERIAL:
        raise NotARecording(f"serial has more than {MAX_SERIAL} characters")
    return output.encode("latin-1", "replace")


def log(stop: dict[str, Any]) -> tuple[LogLine, ...] | None:
    """Return the lines of the kernel's log."""
    if stop.get("log") is None:
        return None
    return tuple(
        LogLine(checked.address(line, "ns"), checked.maybe_address(line, "level"), checked.of(str, line, "text"))
        for line in checked.objects(stop["log"], "log", MAX_LOG)
    )


def overwritten(stop: dict[str, Any]) -> tuple[Overwritten, ...]:
    """Return the differences from the kernel file, as they were found when the recording was made."""
    items = checked.objects(stop.get("overwritten", []), "overwritten", MAX_OVERWRITTEN)
    return tuple(
        Overwritten(
            checked.address(item, "paddr"),
            checked.address(item, "size"),
            checked.hexadecimal(item, "file"),
            checked.hexadecimal(item, "memory"),
        )
        for item in items
    )


def hypercall(stop: dict[str, Any]) -> Hypercall | None:
    """Return how the kernel asked Xen for its map; None if the recording does not have it."""
    if stop.get("hypercall") is None:
        return None
    call = checked.dictionary(stop["hypercall"], "hypercall")
    raw = checked.hexadecimal(call, "hex")
    if len(raw) > ZERO_PAGE_ENTRIES * BootE820Entry.SIZE or len(raw) % BootE820Entry.SIZE:
        raise NotARecording("hypercall.hex does not have whole entries of a map, or more than 128")
    numbers = {key: checked.address(call, key) for key in ("rip", "operation", "room", "buffer", "paddr", "nr_entries")}
    return Hypercall(**numbers, result=checked.of(int, call, "result"), raw=raw)


def watched(seen: dict[str, Any]) -> Watched:
    """Return what was seen after the last stage. Unlike a stop, it has no memory from which it could be decoded."""
    return Watched(
        ended=checked.one_of(WATCH_ENDS, seen, "ended"),
        ms=checked.address(seen, "ms"),
        rip=checked.maybe_address(seen, "rip"),
        symbol=checked.maybe(str, seen, "symbol"),
        message=checked.of(str, seen, "message"),
        serial=checked.strings(seen.get("serial"), "serial"),
        log=None if seen.get("log") is None else checked.strings(seen["log"], "log"),
    )


def who(top: dict[str, Any]) -> tuple[Answer, ...] | None:
    """Return what was found out about writers and readers. Like `outcome.watched`, it is shown as stored."""
    if top.get("who") is None:
        return None
    return tuple(
        Answer(
            path=checked.of(str, item, "field"),
            paddr=checked.address(item, "paddr"),
            size=checked.address(item, "size"),
            writers=tuple(
                _writer(checked.dictionary(one, "writers")) for one in checked.array(item.get("writers"), "writers")
            ),
            readers=tuple(
                Reader(_code(one), checked.of(str, one, "instruction"), checked.address(one, "times"))
                for one in (
                    checked.dictionary(reader, "readers") for reader in checked.array(item.get("readers"), "readers")
                )
            ),
        )
        for item in (checked.dictionary(answer, "who") for answer in checked.array(top["who"], "who"))
    )


def _writer(writer: dict[str, Any]) -> Writer:
    return Writer(
        by=checked.one_of(tuple(BY), writer, "by"),
        code=None if writer.get("rip") is None else _code(writer),
        instruction=checked.of(str, writer, "instruction"),
        paddr=checked.address(writer, "paddr"),
        size=checked.address(writer, "size"),
        data=checked.hexadecimal(writer, "hex"),
        origin=checked.maybe(str, writer, "from"),
        confidence=checked.one_of(tuple(CONFIDENCES), writer, "confidence"),
    )


def _code(code: dict[str, Any]) -> Code:
    inlined = checked.strings(code.get("inlined"), "inlined")
    return Code(
        checked.address(code, "rip"), checked.maybe(str, code, "symbol"), inlined, checked.maybe(str, code, "source")
    )
