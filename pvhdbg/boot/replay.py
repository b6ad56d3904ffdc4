"""A recording decoded again: from its memory, registers, symbols, kernel and machine alone."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeVar

from pvhdbg.boot import stages
from pvhdbg.boot.document import Death, Document, MachineFacts, Outcome, Rewrite
from pvhdbg.boot.read import capture
from pvhdbg.errors import UserError
from pvhdbg.image.facts import ImageFacts, Note, Segment
from pvhdbg.target.recording import Recording

if TYPE_CHECKING:
    from pathlib import Path

    from pvhdbg.boot.capture import Capture

T = TypeVar("T")
MAX_ADDRESS = 1 << 64
MAX_FILE = 1 << 30


class _Wrong(Exception):
    """What a recording holds is not what it should be."""


def load(path: Path) -> Document:
    """Read a recording from a file.

    :raise UserError: if it is none, is unreadable, or contradicts itself.
    """
    try:
        if path.stat().st_size > MAX_FILE:
            raise UserError(f"{path}: too large for a recording")
        document = json.loads(path.read_bytes())
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: not JSON", "a recording is what `pvhdbg dump -o FILE` writes") from error
    try:
        return replay(document)
    except _Wrong as error:
        raise UserError(f"{path}: not a recording of pvhdbg: {error}") from error


def replay(document: object) -> Document:
    top = _object(document, "document")
    if top.get("format") != "pvhdbg":
        raise _Wrong('format is not "pvhdbg"')
    if top.get("format_version") != 1:
        raise _Wrong(f"format_version is {top.get('format_version')!r}, this pvhdbg knows 1")
    kernel = None if top.get("kernel") is None else _kernel(_object(top["kernel"], "kernel"))
    return Document(kernel, _machine(_object(top.get("machine"), "machine")), _stops(top, kernel), _outcome(top))


def _stops(top: dict[str, Any], kernel: ImageFacts | None) -> tuple[Capture, ...]:
    """Each stop in turn: EBX at the entry tells where start_info lies at the later ones."""
    seen: list[Capture] = []
    start_info_paddr = None
    for index, each in enumerate(_list(top.get("stops"), "stops")):
        stop = _object(each, f"stops[{index}]")
        stage = _of(str, stop, "stage")
        if stage not in (*stages.NAMES, stages.DIED):
            raise _Wrong(f"stops[{index}].stage is {stage!r}")
        seen.append(capture(_recording(stop), stage, kernel, start_info_paddr))
        if stage == "entry" and seen[-1].start_info is not None:
            start_info_paddr = seen[-1].start_info.at
    return tuple(seen)


def _recording(stop: dict[str, Any]) -> Recording:
    memory = tuple(
        (_address(block, "paddr"), _hex(block, "hex"))
        for block in (_object(each, "memory") for each in _list(stop.get("memory"), "memory"))
    )
    registers = _object(stop.get("registers"), "registers")
    symbols = _object(stop.get("symbols"), "symbols")
    return Recording(
        memory,
        {name: None if value is None else _address(registers, name) for name, value in registers.items()},
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
        elf_class=_of(int, kernel, "class"),
        machine=0,
        entry=None if kernel.get("entry") is None else _address(kernel, "entry"),
        build_id=_maybe(str, kernel, "build_id"),
        release=_maybe(str, kernel, "release"),
        segments=tuple(
            Segment(*(_address(each, key) for key in ("paddr", "vaddr", "filesz", "memsz"))) for each in segments
        ),
        notes=tuple(Note(_of(str, each, "owner"), _of(int, each, "type"), _hex(each, "hex")) for each in notes),
    )


def _machine(machine: dict[str, Any]) -> MachineFacts:
    texts = {
        key: _maybe(str, machine, key) for key in ("qemu", "machine", "accel", "cpu", "memory", "append", "initrd")
    }
    argv = tuple(str(each) for each in _list(machine.get("argv"), "argv"))
    rewrites = (_object(each, "rewrites") for each in _list(machine.get("rewrites"), "rewrites"))
    return MachineFacts(
        **texts,
        argv=argv,
        rewrites=tuple(
            Rewrite(_of(str, each, "path"), _address(each, "paddr"), _hex(each, "before"), _hex(each, "after"))
            for each in rewrites
        ),
    )


def _outcome(top: dict[str, Any]) -> Outcome:
    outcome = _object(top.get("outcome"), "outcome")
    waited = _object(outcome.get("timeout") or {}, "outcome.timeout")
    return Outcome(
        reached=_maybe(str, outcome, "reached"),
        ended=_of(str, outcome, "ended"),
        died=None if outcome.get("died") is None else _death(_object(outcome["died"], "outcome.died")),
        waited_for=_maybe(str, waited, "stage"),
        rip=_maybe(int, waited, "rip"),
        symbol=_maybe(str, waited, "symbol"),
    )


def _death(died: dict[str, Any]) -> Death:
    return Death(
        _of(str, died, "how"), _maybe(int, died, "rip"), _maybe(str, died, "symbol"), _of(str, died, "message")
    )


def _object(value: object, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _Wrong(f"{what} is not an object")
    return value


def _list(value: object, what: str) -> list[Any]:
    if not isinstance(value, list):
        raise _Wrong(f"{what} is not a list")
    return value


def _of(kind: type[T], where: dict[str, Any], key: str) -> T:
    value = where.get(key)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise _Wrong(f"{key} is {value!r}"[:120])
    return value


def _maybe(kind: type[T], where: dict[str, Any], key: str) -> T | None:
    return None if where.get(key) is None else _of(kind, where, key)


def _address(where: dict[str, Any], key: str) -> int:
    value = _of(int, where, key)
    if not 0 <= value < MAX_ADDRESS:
        raise _Wrong(f"{key} is not an unsigned 64-bit integer")
    return value


def _hex(where: dict[str, Any], key: str) -> bytes:
    try:
        return bytes.fromhex(_of(str, where, key))
    except ValueError:
        raise _Wrong(f"{key} is not hex") from None
