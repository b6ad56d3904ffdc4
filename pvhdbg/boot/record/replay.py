"""Decode a recording again, using only its memory, registers, symbols, kernel and machine."""

from __future__ import annotations

import json
from itertools import pairwise
from stat import S_ISREG
from typing import TYPE_CHECKING, Any

from pvhdbg.boot.record import checked, stored
from pvhdbg.boot.record.checked import NotARecording
from pvhdbg.boot.record.document import (
    ENDS,
    Death,
    Document,
    LostWrite,
    MachineFacts,
    Outcome,
    Rewrite,
    VmmFacts,
    XenFacts,
)
from pvhdbg.boot.stop import stages
from pvhdbg.boot.stop.hypercall import with_answer
from pvhdbg.boot.stop.late import read_held
from pvhdbg.boot.stop.read import read_capture
from pvhdbg.errors import UserError
from pvhdbg.guest_profiles import table
from pvhdbg.image.facts import ImageFacts, Note, Segment
from pvhdbg.image.verdicts.verdict import Verdict
from pvhdbg.target.recording import Ranges, Recording

if TYPE_CHECKING:
    from pathlib import Path

    from pvhdbg.boot.record.trace import Trace
    from pvhdbg.boot.stop.capture import Capture

FORMAT_VERSIONS = 1, 2
"""The versions that can be read. Version 2 has `outcome.watched`."""
MAX_FILE = 1 << 27
"""The size limit in bytes. The largest possible recording has 110 MiB: three stops with MAX_TEXT bytes of strings, and
six stops with MAX_ENTRIES map entries. Each byte of a string takes 6 bytes as text and 2 as memory.
"""
_LEAST_READ = 1 << 20
"""How many bytes to read at least: files in /proc have size 0."""
MAX_PARTS = 1 << 24
"""The limit for the number of lists, objects and strings. They are counted by their first character. MAX_TEXT bytes of
text may also contain that character, so the limit is higher than MAX_TEXT. Python needs about 60 bytes for each of
them, so a hostile file can take 1 GiB, but not all memory.
"""
MAX_STOPS = 16
"""The limit for the number of stops. pvhdbg writes at most one for each stage and one for the death. Each stop is
compared with the stops before it, so the work grows with the square of their number.
"""


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
    top = checked.dictionary(document, "document")
    if top.get("format") != "pvhdbg":
        raise NotARecording('format is not "pvhdbg"')
    _check_version(top)
    kernel = None if top.get("kernel") is None else _kernel(checked.dictionary(top["kernel"], "kernel"))
    machine = _machine(checked.dictionary(top.get("machine"), "machine"))
    who_ended = checked.maybe(str, top, "who_ended")
    return Document(kernel, machine, _stops(top, kernel), _outcome(top), stored.who(top), who_ended, _trace(top))


def _trace(top: dict[str, Any]) -> Trace | None:
    if top.get("trace") is None:
        return None
    from pvhdbg.boot.record import trace

    return trace.from_json(top["trace"])


def _check_version(top: dict[str, Any]) -> None:
    """Check the version of the format. A later version may use known keys in a new way."""
    version = top.get("format_version")
    if version in FORMAT_VERSIONS and type(version) is int:
        return
    shown = checked.shown(version) if "format_version" in top else "missing"
    raise NotARecording(
        f"format_version is {shown}, but this pvhdbg supports only {' and '.join(map(str, FORMAT_VERSIONS))}"
    )


def _stops(top: dict[str, Any], kernel: ImageFacts | None) -> tuple[Capture, ...]:
    """Decode the stops in order: the later stops need the address of start_info, which was in EBX at the entry."""
    captures: list[Capture] = []
    start_info_paddr = None
    stops = checked.array(top.get("stops"), "stops")
    if len(stops) > MAX_STOPS:
        raise NotARecording(f"it has {len(stops):,} stops, more than {MAX_STOPS}")
    for index, item in enumerate(stops):
        stop = checked.dictionary(item, f"stops[{index}]")
        stage = checked.one_of((*stages.NAMES, stages.DIED), stop, "stage")
        held = [key for key in stages.CAPTURE_KEYS if stage == stages.DIED and stop.get(key) is not None]
        if held:
            decoded = read_held(_recording(stop), stage, kernel, held)
        else:
            decoded = read_capture(_recording(stop), stage, kernel, start_info_paddr)
        decoded = with_answer(_with_recorded_reasons(decoded, stop), stored.hypercall(stop))
        captures.append(stored.add_to(decoded, stop))
        if stage == "entry" and captures[-1].start_info is not None:
            start_info_paddr = captures[-1].start_info.at
    return tuple(captures)


def _with_recorded_reasons(decoded: Capture, stop: dict[str, Any]) -> Capture:
    """Replace the reasons in `missing` by those in the recording: only the machine knew why something is missing."""
    recorded = checked.dictionary(stop.get("missing"), "missing")
    return decoded._replace(
        missing={path: checked.reason(recorded.get(path), why) for path, why in decoded.missing.items()}
    )


def _memory(stop: dict[str, Any]) -> Ranges:
    blocks = (checked.dictionary(item, "memory") for item in checked.array(stop.get("memory"), "memory"))
    memory = tuple((checked.address(block, "paddr"), checked.hexadecimal(block, "hex")) for block in blocks)
    if any(paddr + len(data) >= after for (paddr, data), (after, _) in pairwise(memory)):
        raise NotARecording("memory is not in ascending blocks with gaps between them")
    return memory


def _recording(stop: dict[str, Any]) -> Recording:
    registers = checked.dictionary(stop.get("registers"), "registers")
    symbols = checked.dictionary(stop.get("symbols"), "symbols")
    return Recording(
        _memory(stop),
        {name: checked.maybe_address(registers, name) for name in registers},
        {name: checked.address(symbols, name) for name in symbols},
    )


def _kernel(kernel: dict[str, Any]) -> ImageFacts:
    segments = (checked.dictionary(item, "segments") for item in checked.array(kernel.get("segments"), "segments"))
    notes = (checked.dictionary(item, "notes") for item in checked.array(kernel.get("notes"), "notes"))
    path = checked.of(str, kernel, "path")
    return ImageFacts(
        path=path,
        elf=path,
        kind=checked.of(str, kernel, "kind"),
        elf_class=checked.one_of((32, 64), kernel, "class"),
        machine=checked.maybe_address(kernel, "machine") or 0,  # older recordings do not have it
        entry=checked.maybe_address(kernel, "entry"),
        build_id=checked.maybe(str, kernel, "build_id"),
        release=checked.maybe(str, kernel, "release"),
        segments=tuple(
            Segment(*(checked.address(segment, key) for key in ("paddr", "vaddr", "filesz", "memsz")))
            for segment in segments
        ),
        notes=tuple(
            Note(checked.of(str, note, "owner"), checked.of(int, note, "type"), checked.hexadecimal(note, "hex"))
            for note in notes
        ),
        guest=_guest(kernel),
        verdicts=tuple(
            _verdict(checked.dictionary(item, "verdicts"))
            for item in checked.array(kernel.get("verdicts", []), "verdicts")
        ),
    )


def _guest(kernel: dict[str, Any]) -> str:
    """Return the name of the guest's profile. Older recordings do not have it, newer ones may have another."""
    name = checked.maybe(str, kernel, "guest") or ""
    return name if table.named(name) else ""


def _verdict(verdict: dict[str, Any]) -> Verdict:
    fields = checked.dictionary(verdict.get("fields", {}), "fields")  # format version 1 does not have them
    known = {key: value for key, value in fields.items() if type(value) in (int, str)}
    slug, severity, message, hint = (checked.of(str, verdict, key) for key in ("slug", "severity", "message", "hint"))
    return Verdict(slug, severity, message, hint, known)


def _machine(machine: dict[str, Any]) -> MachineFacts:
    texts = {
        key: checked.maybe(str, machine, key)
        for key in ("qemu", "machine", "accel", "cpu", "memory", "append", "initrd")
    }
    rewrites = (checked.dictionary(item, "rewrites") for item in checked.array(machine.get("rewrites"), "rewrites"))
    return MachineFacts(
        **texts,
        initrd_size=checked.maybe_address(machine, "initrd_size"),
        argv=checked.strings(machine.get("argv"), "argv"),
        rewrites=tuple(
            Rewrite(
                checked.of(str, rewrite, "path"),
                checked.address(rewrite, "paddr"),
                checked.hexadecimal(rewrite, "before"),
                checked.hexadecimal(rewrite, "after"),
            )
            for rewrite in rewrites
        ),
        vmm=_vmm(checked.dictionary(machine["vmm"], "vmm")) if machine.get("vmm") is not None else None,
        xen=_xen(checked.dictionary(machine["xen"], "xen")) if machine.get("xen") is not None else None,
    )


def _xen(xen: dict[str, Any]) -> XenFacts:
    return XenFacts(checked.of(str, xen, "image"), checked.of(str, xen, "version"))


def _vmm(vmm: dict[str, Any]) -> VmmFacts:
    lost = (
        _lost_write(checked.dictionary(vmm["lost_write"], "lost_write")) if vmm.get("lost_write") is not None else None
    )
    return VmmFacts(
        checked.of(str, vmm, "name"),
        checked.of(str, vmm, "version"),
        checked.strings(vmm.get("differs"), "differs"),
        lost,
    )


def _lost_write(write: dict[str, Any]) -> LostWrite:
    symbol = checked.maybe(str, write, "symbol")
    return LostWrite(
        checked.address(write, "paddr"), checked.hexadecimal(write, "hex"), checked.address(write, "rip"), symbol
    )


def _outcome(top: dict[str, Any]) -> Outcome:
    outcome = checked.dictionary(top.get("outcome"), "outcome")
    timeout = checked.dictionary(outcome.get("timeout") or {}, "outcome.timeout")
    return Outcome(
        reached=checked.one_of((None, *stages.NAMES), outcome, "reached"),
        ended=checked.one_of(ENDS, outcome, "ended"),
        died=None if outcome.get("died") is None else _death(checked.dictionary(outcome["died"], "outcome.died")),
        waited_for=checked.one_of((None, *stages.NAMES), timeout, "stage"),
        rip=checked.maybe_address(timeout, "rip"),
        symbol=checked.maybe(str, timeout, "symbol"),
        watched=None
        if outcome.get("watched") is None
        else stored.watched(checked.dictionary(outcome["watched"], "outcome.watched")),
    )


def _death(died: dict[str, Any]) -> Death:
    return Death(
        checked.of(str, died, "how"),
        checked.maybe_address(died, "rip"),
        checked.maybe(str, died, "symbol"),
        checked.of(str, died, "message"),
    )
