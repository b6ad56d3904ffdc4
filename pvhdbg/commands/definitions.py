"""The `pvh` commands. A command is a function of a session and the arguments; its docstring is the help text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi.text import printable
from pvhdbg.boot.session.resolve import capture_named, physical, start_info_at, stop_of
from pvhdbg.boot.stop import stages
from pvhdbg.boot.stop.stop import Stop
from pvhdbg.commands.table import command, help_text, run
from pvhdbg.errors import UserError
from pvhdbg.views.report import answers
from pvhdbg.views.rows import text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from pvhdbg.boot.session.protocol import Session
    from pvhdbg.boot.stop.stages import Stage


INSTRUCTIONS = 10
"""How many instructions `code` shows."""


def _stop(session: Session, words: Sequence[str]) -> tuple[Stop, list[str]]:
    """Return the stop that @STAGE names, or the current stop if there is no @STAGE; and the other words."""
    others = [word for word in words if not word.startswith("@")]
    names = [word[1:] for word in words if word.startswith("@")]
    capture = capture_named(session, names[-1]) if names else session.current()
    return stop_of(session, capture), others


def _lines(lines: Iterable[str]) -> str:
    return "\n".join(lines)


@command("info", "[@STAGE]")
def _info(session: Session, words: Sequence[str]) -> str:
    """Show where the machine is and which boot structures exist."""
    return _lines(answers.info(_stop(session, words)[0]))


@command("start-info", "[PADDR] [@STAGE]", example="start-info 0x21e0")
def _start_info(session: Session, words: Sequence[str]) -> str:
    """Show struct hvm_start_info and the kernel's copy of it.

    EBX points to it at the entry. With PADDR, decode the memory at that physical address instead. PADDR is a number,
    symbol or register, or a sum of these.
    """
    stop, rest = _stop(session, words)
    if not rest:
        return _lines(answers.start_info(stop))
    paddr = physical(session, stop.capture, " ".join(rest))
    return _lines(answers.start_info(Stop(start_info_at(session.target_at(stop.capture), session.image, paddr))))


@command("modules", "[@STAGE]")
def _modules(session: Session, words: Sequence[str]) -> str:
    """Show the modules from the VMM, with their command lines."""
    return _lines(answers.modules(_stop(session, words)[0]))


@command("memmap", "[@STAGE]", example="memmap @entry")
def _memmap(session: Session, words: Sequence[str]) -> str:
    """Show the memory map from the VMM, in start_info or in a module."""
    return _lines(answers.memory_map(_stop(session, words)[0]))


@command("e820", "[@STAGE]", example="e820 @bootparams")
def _e820(session: Session, words: Sequence[str]) -> str:
    """Show the kernel's e820 table, or boot_params.e820_table before it is built."""
    return _lines(answers.e820(_stop(session, words)[0]))


@command("bootparams", "[FIELD…] [@STAGE]", example="bootparams hdr.version e820_entries")
def _bootparams(session: Session, words: Sequence[str]) -> str:
    """Show struct boot_params, or only the fields that you name.

    Consecutive fields that are 0 are shown on one line.
    """
    return _lines(answers.boot_params(*_stop(session, words)))


@command("cmdline", "[@STAGE]")
def _cmdline(session: Session, words: Sequence[str]) -> str:
    """Show the complete kernel command line from the VMM."""
    return _lines(answers.cmdline(_stop(session, words)[0]))


@command("cpu", "[@STAGE]", example="cpu @entry")
def _cpu(session: Session, words: Sequence[str]) -> str:
    """Show the CPU mode and registers; at the entry, compare them with the ABI."""
    return _lines(answers.cpu(_stop(session, words)[0]))


@command("paging", "[ADDRESS] [@STAGE]", example="paging rsp")
def _paging(session: Session, words: Sequence[str]) -> str:
    """Show the way of ADDRESS, of the code, the stack and the boot data through the page tables, and what is mapped.

    ADDRESS is a number, symbol or register, or a sum of these. For past stages and recordings, the tables of these
    ways are recorded.
    """
    from pvhdbg.boot.stop import page_tables

    stop, rest = _stop(session, words)
    address = session.evaluate(" ".join(rest), stop.capture) if rest else None
    return _lines(answers.paging(stop, page_tables.reader(session.target_at(stop.capture)), address))


@command("code", "[ADDRESS] [@STAGE]", example="code xen_prepare_pvh")
def _code(session: Session, words: Sequence[str]) -> str:
    """Disassemble at RIP or ADDRESS, in the CPU's current mode.

    ADDRESS is a number, symbol or register, or a sum of these: xen_prepare_pvh + 0x20. For past stages and
    recordings, show what was recorded: the instructions if a disassembler has read them, otherwise raw bytes.
    """
    stop, rest = _stop(session, words)
    address = session.evaluate(" ".join(rest), stop.capture) if rest else stop.capture.rip
    is_past = len(rest) < len(words)
    # QEMU 7.2 can disassemble at a microvm's reset vector, but the guest hangs later.
    is_unsafe = address is None or stop.capture.cpu_mode == "real16"
    lines = () if is_past or is_unsafe else session.disassemble(address or 0, INSTRUCTIONS)
    if lines:
        return _lines(map(printable, lines))
    if not rest and (recorded := answers.recorded_code(stop.capture, INSTRUCTIONS)):
        return _lines(recorded)
    paddr = physical(session, stop.capture, " ".join(rest)) if rest else None
    return _lines(answers.code_bytes(stop, paddr, session.target_at(stop.capture).read_phys))


@command("dmesg", "[@STAGE]")
def _dmesg(session: Session, words: Sequence[str]) -> str:
    """Show the kernel's own log, read from guest memory.

    The log has every message of the kernel, even if no console shows it. For past stages and recordings, show the part
    that was recorded.
    """
    from pvhdbg.boot.session.resolve import kernel_log_of
    from pvhdbg.views.report import log_text

    return _lines(log_text.answer(kernel_log_of(session, _stop(session, words)[0].capture)))


@command("check", "[@STAGE]", example="check @entry")
def _findings(session: Session, words: Sequence[str]) -> str:
    """Show what is wrong at this stop, errors first.

    `explain CODE` shows why a finding matters and how to fix it.
    """
    from pvhdbg.views.report import findings_text

    stop, _ = _stop(session, words)
    return _lines(findings_text.at_capture(session.document(), stop.capture))


@command("map", "[@STAGE]", example="map @entry")
def _map(session: Session, words: Sequence[str]) -> str:
    """Draw memory to scale, with the kernel, modules and boot data.

    The types of the ranges come from the memory map.
    """
    return _lines(answers.picture(_stop(session, words)[0]))


@command("stages")
def _stages(session: Session, _words: Sequence[str]) -> str:
    """List the stages and their state.

    A stage is captured, passed (without a capture), not reached, or not available in this guest. After `back`, a later
    stage that was captured before is listed as such until it is captured again.
    """
    passed = session.passed()
    undone = session.undone

    def why_not_captured(stage: Stage) -> str | None:
        return stages.UNDONE if stage.name in undone else session.why_lacking(stage)

    now = session.history[-1].stage if session.history else None
    return _lines(answers.timeline(session.history, session.image, now, why_not_captured, passed))


@command("next-stage")
def _next_stage(session: Session, _words: Sequence[str]) -> str:
    """Run to the next stage and show what is new there."""
    return _go(session, session.next_stage())


@command("run-to", "STAGE [KERNEL|ADDRESS]", example="run-to bootparams")
def _run_to(session: Session, words: Sequence[str]) -> str:
    """Run to a stage and show what is new there.

    If pvhdbg does not know the kernel, pass its file or its entry address: `run-to entry 0x1000000`.
    """
    stage, *where = words
    if stage not in stages.NAMES:
        raise _no_such_stage(stage)
    if where:
        session.locate(where[0])
    return _go(session, stage)


@command("back", "[STAGE|FIELD|ADDRESS]", example="back prepare")
def _back(session: Session, words: Sequence[str]) -> str:
    """Go back to the last captured stage before here, or to STAGE. The guest is alive there, even if it died.

    With FIELD (a path in the JSON document) or ADDRESS, which can be ADDRESS,LENGTH: go back to the last store to these
    bytes before here, just after the instruction. This undoes what the guest and you have changed since then.
    Breakpoints stay.
    """
    return session.back(words[0] if words else None)


def _no_such_stage(name: str) -> UserError:
    return UserError(f"no such stage: {text.quoted(name)}", f"use one of: {', '.join(stages.NAMES)}")


def _go(session: Session, stage: str) -> str:
    from pvhdbg.boot.record.document import DONE
    from pvhdbg.checks.run import check_run
    from pvhdbg.views.report import run_text, stop_text

    outcome = session.go(stage)
    capture = session.history[-1] if session.history else None
    lines = stop_text.lines(stop_of(session, capture)) if capture else []
    if outcome.ended != DONE:
        lines.append(run_text.outcome(outcome, check_run(session.document())))
    return _lines(lines)


@command("who", "FIELD|ADDRESS|--all|--unread", example="who boot_params.hdr.cmd_line_ptr")
def _who(session: Session, words: Sequence[str]) -> str:
    """Show which instruction wrote a field of the boot data, from which input field, and what reads it.

    FIELD is a path in the JSON document; ADDRESS can be ADDRESS,LENGTH. The guest is booted again, in a machine of its
    own, up to the return from xen_prepare_pvh. --all shows a table of all fields, --unread the fields that the guest
    did not read.
    """
    from pvhdbg.views.report import who_text

    found = session.who(words[0])
    return _lines([*who_text.lines(words[0], found), *(f"note: {note}" for note in who_text.remarks(found))])


@command("set", "PATH VALUE", example="set start_info.version 0")
def _set(session: Session, words: Sequence[str]) -> str:
    """Change one field of the boot data (only at the entry).

    PATH is a path in the JSON document: start_info.magic, modules[1].paddr, modules[1].cmdline, cmdline,
    memory_map.entries[3].type. VALUE is a C integer, or a quoted string inside another pair of quotes: '"quiet"'.
    """
    from pvhdbg.boot.lab.assignment import SHELL_HINT, assignment
    from pvhdbg.views.report import run_text

    path, value = words
    try:
        return _lines(run_text.rewrites(session.rewrite(assignment(path, value))))
    except UserError as error:
        if error.hint is None or SHELL_HINT not in error.hint:
            raise
        typed = f"set {printable(path)} '\"{printable(value)}\"'"
        raise UserError(str(error), f"type a C integer, or a string in two pairs of quotes: {typed}") from error


@command("protocol", "NAME", example="protocol e820-module")
def _protocol(session: Session, words: Sequence[str]) -> str:
    """Convert the boot data to another protocol (only at the entry).

    NAME is memmap (version 1: start_info points to a memory map), e820-module (the 2017 RFC protocol: the memory map
    is module 1) or v0 (version 0 without a memory map).
    """
    from pvhdbg.boot.stop.protocols import PROTOCOLS
    from pvhdbg.views.report import run_text

    if words[0] not in PROTOCOLS:
        raise UserError(f"no such protocol: {text.quoted(words[0])}", f"use one of: {', '.join(PROTOCOLS)}")
    return _lines(run_text.rewrites(session.rewrite(words[0])))


@command("diff", "[STAGE] [@STAGE]", example="diff bootparams @kernel")
def _diff(session: Session, words: Sequence[str]) -> str:
    """Show what changed since the previous stage, or since STAGE."""
    from pvhdbg.views.report import diff_text

    stop, rest = _stop(session, words)
    before = capture_named(session, rest[0]) if rest else stop.before
    if before is None:
        raise UserError(f"no capture before stage {stop.capture.stage}")
    return diff_text.captures(before, stop.capture).rstrip("\n")


@command("explain", "[NAME…]", example="explain memmap_paddr")
def _explain(_session: Session, words: Sequence[str]) -> str:
    """Explain a field, structure, stage, bit, ELF note, rule or term.

    Without NAME, list everything that can be explained. For a field, show its meaning, what writes it, what reads it,
    and the source. An offset also names a field: `explain start_info+0x28`.
    """
    from pvhdbg.views.explain import explain_text

    return (explain_text.answer(" ".join(words)) if words else explain_text.listing()).rstrip("\n")


def _path(word: str) -> Path:
    """Return the path with `~` expanded.

    :raise UserError: for `~` with an unknown user.
    """
    from pathlib import Path

    try:
        return Path(word).expanduser()
    except RuntimeError as error:
        raise UserError(f"{printable(word)}: no such user") from error


@command("dump", "FILE", example="dump boot.json")
def _dump(session: Session, words: Sequence[str]) -> str:
    """Write a recording of all captures to FILE.

    To read the recording, use `open` or `pvhdbg show`.
    """
    from pvhdbg.boot.record.save import save
    from pvhdbg.views.to_json import document_json

    path = _path(words[0])
    save(path, document_json.dumps(session.document()))
    return f"wrote {text.counted(len(session.history), 'stage')} to {printable(str(path))}"


@command("open", "[FILE]", example="open boot.json")
def _open(session: Session, words: Sequence[str]) -> str:
    """Open a recording; later commands read from it.

    To close the recording, use `open` without FILE.
    """
    from pvhdbg.boot.record.replay import load

    if not words:
        return _close(session)
    session.open(load(_path(words[0])))
    return run(session, "stages")


def _close(session: Session) -> str:
    from pvhdbg.boot.session.recorded import RecordedSession

    if session.opened is None:
        if isinstance(session, RecordedSession):
            raise UserError("open: missing FILE", "pass the file of another recording")
        return "no recording is open"
    session.open(None)
    return "closed the recording"


@command("help", "[COMMAND]", example="help start-info")
def _help(_session: Session, words: Sequence[str]) -> str:
    """List the commands, or describe COMMAND."""
    return help_text(*words)
