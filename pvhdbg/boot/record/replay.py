"""Decode a recording again, using only its memory, registers, symbols, kernel and machine."""

from __future__ import annotations

import json
import reprlib
from itertools import pairwise
from stat import S_ISREG
from typing import TYPE_CHECKING, Any, TypeVar

from pvhdbg.abi.e820 import ZERO_PAGE_ENTRIES, BootE820Entry
from pvhdbg.boot.record.document import (
    ENDS,
    WATCH_ENDS,
    Death,
    Document,
    LostWrite,
    MachineFacts,
    Outcome,
    Rewrite,
    VmmFacts,
    Watched,
    XenFacts,
)
from pvhdbg.boot.stop import stages
from pvhdbg.boot.stop.capture import MAX_OVERWRITTEN, Hypercall, Overwritten
from pvhdbg.boot.stop.hypercall import with_answer
from pvhdbg.boot.stop.late import read_held
from pvhdbg.boot.stop.read import read_capture
from pvhdbg.boot.who.access import CONFIDENCES
from pvhdbg.boot.who.answer import BY, Answer, Code, Reader, Writer
from pvhdbg.errors import UserError
from pvhdbg.guest_profiles import table
from pvhdbg.image.facts import ImageFacts, Note, Segment
from pvhdbg.image.verdicts.verdict import Verdict
from pvhdbg.target.recording import Ranges, Recording

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from pvhdbg.boot.stop.capture import Capture

T = TypeVar("T")
FORMAT_VERSIONS = 1, 2
"""The versions that can be read. Version 2 has `outcome.watched`."""
MAX_ADDRESS = 1 << 64
MAX_FILE = 1 << 27
_LEAST_READ = 1 << 20
"""How many bytes to read at least: files in /proc have size 0."""
"""The size limit in bytes. The largest possible recording has 110 MiB: three stops with MAX_TEXT bytes of strings, and
six stops with MAX_ENTRIES map entries. Each byte of a string takes 6 bytes as text and 2 as memory.
"""
MAX_PARTS = 1 << 24
"""The limit for the number of lists, objects and strings. They are counted by their first character. MAX_TEXT bytes of
text may also contain that character, so the limit is higher than MAX_TEXT. Python needs about 60 bytes for each of
them, so a hostile file can take 1 GiB, but not all memory.
"""
MAX_STOPS = 16
"""The limit for the number of stops. pvhdbg writes at most one for each stage and one for the death. Each stop is
compared with the stops before it, so the work grows with the square of their number.
"""


class NotARecording(Exception):
    """The JSON document is not a valid recording. The message describes the first problem."""


def load(path: Path) -> Document:
    """Read a recording from a file.

    :raise UserError: if the file cannot be read or is not a valid recording.
    """
    try:
        status = path.stat()
        if not S_ISREG(status.st_mode):  # a pipe may never end
            raise UserError(f"{path}: not a regular file")
        if status.st_size > MAX_FILE:
            raise UserError(f"{path}: too large for a recording")
        with path.open("rb") as file:
            data = file.read(max(status.st_size, _LEAST_READ))
        if data.count(b"[") + data.count(b"{") + data.count(b'"') // 2 > MAX_PARTS:
            raise UserError(f"{path}: too large for a recording")
        document = json.loads(data)
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: not JSON", "write a recording with `pvhdbg dump -o FILE`") from error
    try:
        return replay(document)
    except NotARecording as error:
        raise UserError(f"{path}: not a pvhdbg recording: {error}") from error


def replay(document: object) -> Document:
    """Decode a parsed JSON document.

    :raise NotARecording: if it is not a valid recording.
    """
    top = _object(document, "document")
    if top.get("format") != "pvhdbg":
        raise NotARecording('format is not "pvhdbg"')
    _check_version(top)
    kernel = None if top.get("kernel") is None else _kernel(_object(top["kernel"], "kernel"))
    machine = _machine(_object(top.get("machine"), "machine"))
    return Document(kernel, machine, _stops(top, kernel), _outcome(top), _who(top), _maybe(str, top, "who_ended"))


def _check_version(top: dict[str, Any]) -> None:
    """Check the version of the format. A later version may use known keys in a new way."""
    version = top.get("format_version")
    if version in FORMAT_VERSIONS and type(version) is int:
        return
    shown = _shown(version) if "format_version" in top else "missing"
    raise NotARecording(
        f"format_version is {shown}, but this pvhdbg supports only {' and '.join(map(str, FORMAT_VERSIONS))}"
    )


def _stops(top: dict[str, Any], kernel: ImageFacts | None) -> tuple[Capture, ...]:
    """Decode the stops in order: the later stops need the address of start_info, which was in EBX at the entry."""
    captures: list[Capture] = []
    start_info_paddr = None
    stops = _list(top.get("stops"), "stops")
    if len(stops) > MAX_STOPS:
        raise NotARecording(f"it has {len(stops):,} stops, more than {MAX_STOPS}")
    for index, item in enumerate(stops):
        stop = _object(item, f"stops[{index}]")
        stage = _one_of((*stages.NAMES, stages.DIED), stop, "stage")
        held = [key for key in stages.CAPTURE_KEYS if stage == stages.DIED and stop.get(key) is not None]
        if held:
            decoded = read_held(_recording(stop), stage, kernel, held)
        else:
            decoded = read_capture(_recording(stop), stage, kernel, start_info_paddr)
        decoded = with_answer(_with_recorded_reasons(decoded, stop), _hypercall(stop))
        captures.append(decoded._replace(overwritten=_overwritten(stop)))
        if stage == "entry" and captures[-1].start_info is not None:
            start_info_paddr = captures[-1].start_info.at
    return tuple(captures)


def _overwritten(stop: dict[str, Any]) -> tuple[Overwritten, ...]:
    """Return the differences from the kernel file, as they were found when the recording was made."""
    items = [_object(item, "overwritten") for item in _list(stop.get("overwritten", []), "overwritten")]
    if len(items) > MAX_OVERWRITTEN:
        raise NotARecording(f"overwritten has more than {MAX_OVERWRITTEN} items")
    return tuple(
        Overwritten(_address(item, "paddr"), _address(item, "size"), _hex(item, "file"), _hex(item, "memory"))
        for item in items
    )


def _hypercall(stop: dict[str, Any]) -> Hypercall | None:
    """Return how the kernel asked Xen for its map; None if the recording does not have it."""
    if stop.get("hypercall") is None:
        return None
    call = _object(stop["hypercall"], "hypercall")
    raw = _hex(call, "hex")
    if len(raw) > ZERO_PAGE_ENTRIES * BootE820Entry.SIZE or len(raw) % BootE820Entry.SIZE:
        raise NotARecording("hypercall.hex does not have whole entries of a map, or more than 128")
    numbers = {key: _address(call, key) for key in ("rip", "operation", "room", "buffer", "paddr", "nr_entries")}
    return Hypercall(**numbers, result=_of(int, call, "result"), raw=raw)


def _with_recorded_reasons(decoded: Capture, stop: dict[str, Any]) -> Capture:
    """Replace the reasons in `missing` by those in the recording: only the machine knew why something is missing."""
    recorded = _object(stop.get("missing"), "missing")
    return decoded._replace(missing={path: _reason(recorded.get(path), why) for path, why in decoded.missing.items()})


def _reason(recorded: object, decoded: str) -> str:
    return recorded if isinstance(recorded, str) and recorded.isascii() and recorded.isprintable() else decoded


def _memory(stop: dict[str, Any]) -> Ranges:
    blocks = (_object(item, "memory") for item in _list(stop.get("memory"), "memory"))
    memory = tuple((_address(block, "paddr"), _hex(block, "hex")) for block in blocks)
    if any(paddr + len(data) >= after for (paddr, data), (after, _) in pairwise(memory)):
        raise NotARecording("memory is not in ascending blocks with gaps between them")
    return memory


def _recording(stop: dict[str, Any]) -> Recording:
    registers = _object(stop.get("registers"), "registers")
    symbols = _object(stop.get("symbols"), "symbols")
    return Recording(
        _memory(stop),
        {name: _maybe_address(registers, name) for name in registers},
        {name: _address(symbols, name) for name in symbols},
    )


def _kernel(kernel: dict[str, Any]) -> ImageFacts:
    segments = (_object(item, "segments") for item in _list(kernel.get("segments"), "segments"))
    notes = (_object(item, "notes") for item in _list(kernel.get("notes"), "notes"))
    path = _of(str, kernel, "path")
    return ImageFacts(
        path=path,
        elf=path,
        kind=_of(str, kernel, "kind"),
        elf_class=_one_of((32, 64), kernel, "class"),
        machine=_maybe_address(kernel, "machine") or 0,  # older recordings do not have it
        entry=_maybe_address(kernel, "entry"),
        build_id=_maybe(str, kernel, "build_id"),
        release=_maybe(str, kernel, "release"),
        segments=tuple(
            Segment(*(_address(segment, key) for key in ("paddr", "vaddr", "filesz", "memsz"))) for segment in segments
        ),
        notes=tuple(Note(_of(str, note, "owner"), _of(int, note, "type"), _hex(note, "hex")) for note in notes),
        guest=_guest(kernel),
        verdicts=tuple(_verdict(_object(item, "verdicts")) for item in _list(kernel.get("verdicts", []), "verdicts")),
    )


def _guest(kernel: dict[str, Any]) -> str:
    """Return the name of the guest's profile. Older recordings do not have it, newer ones may have another."""
    name = _maybe(str, kernel, "guest") or ""
    return name if table.named(name) else ""


def _verdict(verdict: dict[str, Any]) -> Verdict:
    fields = _object(verdict.get("fields", {}), "fields")  # format version 1 does not have them
    known = {key: value for key, value in fields.items() if type(value) in (int, str)}
    slug, severity, message, hint = (_of(str, verdict, key) for key in ("slug", "severity", "message", "hint"))
    return Verdict(slug, severity, message, hint, known)


def _machine(machine: dict[str, Any]) -> MachineFacts:
    texts = {
        key: _maybe(str, machine, key) for key in ("qemu", "machine", "accel", "cpu", "memory", "append", "initrd")
    }
    rewrites = (_object(item, "rewrites") for item in _list(machine.get("rewrites"), "rewrites"))
    return MachineFacts(
        **texts,
        initrd_size=_maybe_address(machine, "initrd_size"),
        argv=_strings(machine.get("argv"), "argv"),
        rewrites=tuple(
            Rewrite(
                _of(str, rewrite, "path"),
                _address(rewrite, "paddr"),
                _hex(rewrite, "before"),
                _hex(rewrite, "after"),
            )
            for rewrite in rewrites
        ),
        vmm=_vmm(_object(machine["vmm"], "vmm")) if machine.get("vmm") is not None else None,
        xen=_xen(_object(machine["xen"], "xen")) if machine.get("xen") is not None else None,
    )


def _xen(xen: dict[str, Any]) -> XenFacts:
    return XenFacts(_of(str, xen, "image"), _of(str, xen, "version"))


def _vmm(vmm: dict[str, Any]) -> VmmFacts:
    lost = _lost_write(_object(vmm["lost_write"], "lost_write")) if vmm.get("lost_write") is not None else None
    return VmmFacts(_of(str, vmm, "name"), _of(str, vmm, "version"), _strings(vmm.get("differs"), "differs"), lost)


def _lost_write(write: dict[str, Any]) -> LostWrite:
    symbol = _maybe(str, write, "symbol")
    return LostWrite(_address(write, "paddr"), _hex(write, "hex"), _address(write, "rip"), symbol)


def _outcome(top: dict[str, Any]) -> Outcome:
    outcome = _object(top.get("outcome"), "outcome")
    timeout = _object(outcome.get("timeout") or {}, "outcome.timeout")
    return Outcome(
        reached=_one_of((None, *stages.NAMES), outcome, "reached"),
        ended=_one_of(ENDS, outcome, "ended"),
        died=None if outcome.get("died") is None else _death(_object(outcome["died"], "outcome.died")),
        waited_for=_one_of((None, *stages.NAMES), timeout, "stage"),
        rip=_maybe_address(timeout, "rip"),
        symbol=_maybe(str, timeout, "symbol"),
        watched=None if outcome.get("watched") is None else _watched(_object(outcome["watched"], "outcome.watched")),
    )


def _watched(watched: dict[str, Any]) -> Watched:
    """Return what was seen after the last stage. Unlike a stop, it has no memory from which it could be decoded."""
    return Watched(
        ended=_one_of(WATCH_ENDS, watched, "ended"),
        ms=_address(watched, "ms"),
        rip=_maybe_address(watched, "rip"),
        symbol=_maybe(str, watched, "symbol"),
        message=_of(str, watched, "message"),
        serial=_strings(watched.get("serial"), "serial"),
        log=None if watched.get("log") is None else _strings(watched["log"], "log"),
    )


def _who(top: dict[str, Any]) -> tuple[Answer, ...] | None:
    """Return what was found out about writers and readers. Like `outcome.watched`, it is shown as stored."""
    if top.get("who") is None:
        return None
    return tuple(
        Answer(
            path=_of(str, item, "field"),
            paddr=_address(item, "paddr"),
            size=_address(item, "size"),
            writers=tuple(_writer(_object(one, "writers")) for one in _list(item.get("writers"), "writers")),
            readers=tuple(
                Reader(_code(one), _of(str, one, "instruction"), _address(one, "times"))
                for one in (_object(reader, "readers") for reader in _list(item.get("readers"), "readers"))
            ),
        )
        for item in (_object(answer, "who") for answer in _list(top["who"], "who"))
    )


def _writer(writer: dict[str, Any]) -> Writer:
    return Writer(
        by=_one_of(tuple(BY), writer, "by"),
        code=None if writer.get("rip") is None else _code(writer),
        instruction=_of(str, writer, "instruction"),
        paddr=_address(writer, "paddr"),
        size=_address(writer, "size"),
        data=_hex(writer, "hex"),
        origin=_maybe(str, writer, "from"),
        confidence=_one_of(tuple(CONFIDENCES), writer, "confidence"),
    )


def _code(code: dict[str, Any]) -> Code:
    inlined = _strings(code.get("inlined"), "inlined")
    return Code(_address(code, "rip"), _maybe(str, code, "symbol"), inlined, _maybe(str, code, "source"))


def _strings(value: object, name: str) -> tuple[str, ...]:
    strings = _list(value, name)
    if not all(isinstance(item, str) for item in strings):
        raise NotARecording(f"{name} is not a list of strings")
    return tuple(strings)


def _death(died: dict[str, Any]) -> Death:
    return Death(
        _of(str, died, "how"), _maybe_address(died, "rip"), _maybe(str, died, "symbol"), _of(str, died, "message")
    )


def _object(value: object, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise NotARecording(f"{name} is not an object")
    return value


def _list(value: object, name: str) -> list[Any]:
    if not isinstance(value, list):
        raise NotARecording(f"{name} is not a list")
    return value


def _shown(value: object) -> str:
    """Return a short representation of any value, even if it is large or deeply nested."""
    return reprlib.repr(value)


def _of(kind: type[T], parent: dict[str, Any], key: str) -> T:
    value = parent.get(key)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise NotARecording(f"invalid {key}: {_shown(value)}")
    return value


def _maybe(kind: type[T], parent: dict[str, Any], key: str) -> T | None:
    return None if parent.get(key) is None else _of(kind, parent, key)


def _one_of(allowed: Collection[T], parent: dict[str, Any], key: str) -> T:
    for value in allowed:
        if parent.get(key) == value and type(parent.get(key)) is type(value):
            return value
    raise NotARecording(f"invalid {key}: {_shown(parent.get(key))}")


def _maybe_address(parent: dict[str, Any], key: str) -> int | None:
    return None if parent.get(key) is None else _address(parent, key)


def _address(parent: dict[str, Any], key: str) -> int:
    value = _of(int, parent, key)
    if not 0 <= value < MAX_ADDRESS:
        raise NotARecording(f"{key} is not an unsigned 64-bit integer")
    return value


def _hex(parent: dict[str, Any], key: str) -> bytes:
    try:
        return bytes.fromhex(_of(str, parent, key))
    except ValueError:
        raise NotARecording(f"{key} is not a hex string") from None
