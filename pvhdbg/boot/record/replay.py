"""A recording decoded again: from its memory, registers, symbols, kernel and machine alone."""

from __future__ import annotations

import json
import reprlib
from itertools import pairwise
from stat import S_ISREG
from typing import TYPE_CHECKING, Any, TypeVar

from pvhdbg.boot.record.document import ENDS, Death, Document, MachineFacts, Outcome, Rewrite
from pvhdbg.boot.stop import stages
from pvhdbg.boot.stop.read import capture
from pvhdbg.errors import UserError
from pvhdbg.image.facts import ImageFacts, Note, Segment
from pvhdbg.image.verdict import Verdict
from pvhdbg.target.recording import Ranges, Recording

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from pvhdbg.boot.stop.capture import Capture

T = TypeVar("T")
MAX_ADDRESS = 1 << 64
MAX_FILE = 1 << 27
"""Bytes. The largest dump: three stops with MAX_TEXT of strings, a byte of which takes 6 decoded and 2 as memory, and
six with maps of MAX_ENTRIES, makes 110 MiB.
"""
MAX_PARTS = 1 << 24
"""Lists, objects and strings, by the characters that begin them: MAX_TEXT may be made of these. Each takes Python some
60 bytes, so that a hostile file comes to 1 GiB, not to all there is.
"""


class NotARecording(Exception):
    """What a recording holds is not what it should be."""


def load(path: Path) -> Document:
    """Read a recording from a file.

    :raise UserError: if it is none, is unreadable, or contradicts itself.
    """
    try:
        found = path.stat()
        if not S_ISREG(found.st_mode):  # a pipe may never end
            raise UserError(f"{path}: is no regular file")
        if found.st_size > MAX_FILE:
            raise UserError(f"{path}: too large for a recording")
        with path.open("rb") as file:
            data = file.read(MAX_FILE)  # it may grow meanwhile, or be of those in /proc
        if data.count(b"[") + data.count(b"{") + data.count(b'"') // 2 > MAX_PARTS:
            raise UserError(f"{path}: too large for a recording")
        document = json.loads(data)
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: not JSON", "a recording is what `pvhdbg dump -o FILE` writes") from error
    try:
        return replay(document)
    except NotARecording as error:
        raise UserError(f"{path}: not a recording of pvhdbg: {error}") from error


def replay(document: object) -> Document:
    """A recording as JSON has it, decoded again.

    :raise NotARecording: if it is none.
    """
    top = _object(document, "document")
    if top.get("format") != "pvhdbg":
        raise NotARecording('format is not "pvhdbg"')
    if top.get("format_version") != 1:
        raise NotARecording(f"format_version is {_shown(top.get('format_version'))}, this pvhdbg knows 1")
    kernel = None if top.get("kernel") is None else _kernel(_object(top["kernel"], "kernel"))
    return Document(kernel, _machine(_object(top.get("machine"), "machine")), _stops(top, kernel), _outcome(top))


def _stops(top: dict[str, Any], kernel: ImageFacts | None) -> tuple[Capture, ...]:
    """Each stop in turn: EBX at the entry tells where start_info lies at the later ones."""
    seen: list[Capture] = []
    start_info_paddr = None
    for index, each in enumerate(_list(top.get("stops"), "stops")):
        stop = _object(each, f"stops[{index}]")
        stage = _one_of((*stages.NAMES, stages.DIED), stop, "stage")
        seen.append(_told(capture(_recording(stop), stage, kernel, start_info_paddr), stop))
        if stage == "entry" and seen[-1].start_info is not None:
            start_info_paddr = seen[-1].start_info.at
    return tuple(seen)


def _told(seen: Capture, stop: dict[str, Any]) -> Capture:
    """What is missing follows from the rest; why, only the machine knew."""
    told = _object(stop.get("missing"), "missing")
    return seen._replace(missing={path: _reason(told.get(path), why) for path, why in seen.missing.items()})


def _reason(told: object, otherwise: str) -> str:
    return told if isinstance(told, str) and told.isascii() and told.isprintable() else otherwise


def _memory(stop: dict[str, Any]) -> Ranges:
    blocks = (_object(each, "memory") for each in _list(stop.get("memory"), "memory"))
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
    segments = (_object(each, "segments") for each in _list(kernel.get("segments"), "segments"))
    notes = (_object(each, "notes") for each in _list(kernel.get("notes"), "notes"))
    path = _of(str, kernel, "path")
    return ImageFacts(
        path=path,
        elf=path,
        kind=_of(str, kernel, "kind"),
        elf_class=_one_of((32, 64), kernel, "class"),
        machine=0,
        entry=_maybe_address(kernel, "entry"),
        build_id=_maybe(str, kernel, "build_id"),
        release=_maybe(str, kernel, "release"),
        segments=tuple(
            Segment(*(_address(each, key) for key in ("paddr", "vaddr", "filesz", "memsz"))) for each in segments
        ),
        notes=tuple(Note(_of(str, each, "owner"), _of(int, each, "type"), _hex(each, "hex")) for each in notes),
        verdicts=tuple(_verdict(_object(each, "verdicts")) for each in _list(kernel.get("verdicts", []), "verdicts")),
    )


def _verdict(of: dict[str, Any]) -> Verdict:
    return Verdict(*(_of(str, of, key) for key in Verdict._fields))


def _machine(machine: dict[str, Any]) -> MachineFacts:
    texts = {
        key: _maybe(str, machine, key) for key in ("qemu", "machine", "accel", "cpu", "memory", "append", "initrd")
    }
    argv = _list(machine.get("argv"), "argv")
    if not all(isinstance(each, str) for each in argv):
        raise NotARecording("argv is not a list of words")
    rewrites = (_object(each, "rewrites") for each in _list(machine.get("rewrites"), "rewrites"))
    return MachineFacts(
        **texts,
        argv=tuple(argv),
        rewrites=tuple(
            Rewrite(_of(str, each, "path"), _address(each, "paddr"), _hex(each, "before"), _hex(each, "after"))
            for each in rewrites
        ),
    )


def _outcome(top: dict[str, Any]) -> Outcome:
    outcome = _object(top.get("outcome"), "outcome")
    waited = _object(outcome.get("timeout") or {}, "outcome.timeout")
    return Outcome(
        reached=_one_of((None, *stages.NAMES), outcome, "reached"),
        ended=_one_of(ENDS, outcome, "ended"),
        died=None if outcome.get("died") is None else _death(_object(outcome["died"], "outcome.died")),
        waited_for=_one_of((None, *stages.NAMES), waited, "stage"),
        rip=_maybe_address(waited, "rip"),
        symbol=_maybe(str, waited, "symbol"),
    )


def _death(died: dict[str, Any]) -> Death:
    return Death(
        _of(str, died, "how"), _maybe_address(died, "rip"), _maybe(str, died, "symbol"), _of(str, died, "message")
    )


def _object(value: object, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise NotARecording(f"{what} is not an object")
    return value


def _list(value: object, what: str) -> list[Any]:
    if not isinstance(value, list):
        raise NotARecording(f"{what} is not a list")
    return value


def _shown(value: object) -> str:
    """Whatever stands there, however large or deep, in a few words."""
    return reprlib.repr(value)


def _of(kind: type[T], where: dict[str, Any], key: str) -> T:
    value = where.get(key)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise NotARecording(f"{key} is {_shown(value)}")
    return value


def _maybe(kind: type[T], where: dict[str, Any], key: str) -> T | None:
    return None if where.get(key) is None else _of(kind, where, key)


def _one_of(known: Collection[T], where: dict[str, Any], key: str) -> T:
    for each in known:
        if where.get(key) == each and type(where.get(key)) is type(each):
            return each
    raise NotARecording(f"{key} is {_shown(where.get(key))}")


def _maybe_address(where: dict[str, Any], key: str) -> int | None:
    return None if where.get(key) is None else _address(where, key)


def _address(where: dict[str, Any], key: str) -> int:
    value = _of(int, where, key)
    if not 0 <= value < MAX_ADDRESS:
        raise NotARecording(f"{key} is not an unsigned 64-bit integer")
    return value


def _hex(where: dict[str, Any], key: str) -> bytes:
    try:
        return bytes.fromhex(_of(str, where, key))
    except ValueError:
        raise NotARecording(f"{key} is not hex") from None
