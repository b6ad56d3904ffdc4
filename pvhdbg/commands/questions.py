"""The commands themselves: each a function of a session and the words after its name; its docstring is the help."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi.text import printable
from pvhdbg.boot.session.resolve import before, captured, physical, start_info_at
from pvhdbg.boot.stop import stages
from pvhdbg.commands.table import command, help_text, run
from pvhdbg.errors import UserError
from pvhdbg.views.report import answers
from pvhdbg.views.rows import text
from pvhdbg.views.rows.stop import Stop

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from pvhdbg.boot.session.protocol import Session


INSTRUCTIONS = 10
"""How many `code` shows."""


def _stop(session: Session, words: Sequence[str]) -> tuple[Stop, list[str]]:
    """The stop that is asked about, and the words beside its name."""
    rest = [each for each in words if not each.startswith("@")]
    wanted = [each[1:] for each in words if each.startswith("@")]
    seen = captured(session, wanted[-1]) if wanted else session.current()
    return Stop(seen, before(session, seen), session.image), rest


def _lines(lines: Iterable[str]) -> str:
    return "\n".join(lines)


@command("info", "[@STAGE]")
def _info(session: Session, words: Sequence[str]) -> str:
    """Where the machine stands, and what is there."""
    return _lines(answers.info(_stop(session, words)[0]))


@command("start-info", "[PADDR] [@STAGE]", example="start-info 0x21e0")
def _start_info(session: Session, words: Sequence[str]) -> str:
    """The struct hvm_start_info that EBX pointed to at the entry, and the kernel's copy.

    With PADDR: the bytes at that address, decoded as one.
    """
    stop, rest = _stop(session, words)
    if not rest:
        return _lines(answers.start_info(stop))
    paddr = physical(session, stop.capture, " ".join(rest))
    return _lines(answers.start_info(Stop(start_info_at(session.target_at(stop.capture), session.image, paddr))))


@command("modules", "[@STAGE]")
def _modules(session: Session, words: Sequence[str]) -> str:
    """The modules that were handed over: where they lie, and their command lines."""
    return _lines(answers.modules(_stop(session, words)[0]))


@command("memmap", "[@STAGE]", example="memmap @entry")
def _memmap(session: Session, words: Sequence[str]) -> str:
    """The memory map that was handed over, by either protocol."""
    return _lines(answers.memory_map(_stop(session, words)[0]))


@command("e820", "[@STAGE]", example="e820 @bootparams")
def _e820(session: Session, words: Sequence[str]) -> str:
    """The kernel's e820 table; before there is one, that of boot_params."""
    return _lines(answers.e820(_stop(session, words)[0]))


@command("bootparams", "[FIELD…] [@STAGE]", example="bootparams hdr.version e820_entries")
def _bootparams(session: Session, words: Sequence[str]) -> str:
    """The struct boot_params, runs of zeros folded; or the fields that are named."""
    return _lines(answers.boot_params(*_stop(session, words)))


@command("cmdline", "[@STAGE]")
def _cmdline(session: Session, words: Sequence[str]) -> str:
    """The whole command line that was handed over."""
    return _lines(answers.cmdline(_stop(session, words)[0]))


@command("cpu", "[@STAGE]", example="cpu @entry")
def _cpu(session: Session, words: Sequence[str]) -> str:
    """CPU mode, registers and control bits; at the entry against what the ABI demands."""
    return _lines(answers.cpu(_stop(session, words)[0]))


@command("code", "[ADDRESS] [@STAGE]", example="code xen_prepare_pvh")
def _code(session: Session, words: Sequence[str]) -> str:
    """The instructions at RIP or at an address, in the CPU's own mode; of the past, and in a recording, the bytes."""
    stop, rest = _stop(session, words)
    address = session.evaluate(" ".join(rest), stop.capture) if rest else stop.capture.rip
    is_past = len(rest) < len(words)
    # QEMU 7.2, asked to disassemble at a microvm's reset vector, answers, and its guest hangs later.
    is_mute = address is None or stop.capture.cpu_mode == "real16"
    lines = () if is_past or is_mute else session.disassemble(address or 0, INSTRUCTIONS)
    if lines:
        return _lines(map(printable, lines))
    paddr = physical(session, stop.capture, " ".join(rest)) if rest else None
    return _lines(answers.code_bytes(stop, paddr, session.target_at(stop.capture).read_phys))


@command("check", "[@STAGE]", example="check @entry")
def _findings(session: Session, words: Sequence[str]) -> str:
    """What the rules find at this stop, the gravest first; `explain CODE` says why it matters."""
    from pvhdbg.views.report import findings_text

    is_dead = bool(session.history) and session.history[-1].stage == stages.DIED
    stop, _ = _stop(session, words or ([f"@{stages.DIED}"] if is_dead else []))
    return _lines(findings_text.at_capture(session.document(), stop.capture))


@command("map", "[@STAGE]", example="map @entry")
def _map(session: Session, words: Sequence[str]) -> str:
    """Memory to scale: what each part is listed as, and where kernel, modules and boot data lie."""
    return _lines(answers.picture(_stop(session, words)[0]))


@command("stages")
def _stages(session: Session, _words: Sequence[str]) -> str:
    """The stages: which were captured, passed unseen or are ahead, and which this guest does not have."""
    passed = session.passed()
    now = next((each.stage for each in reversed(session.history)), None)
    return _lines(answers.timeline(session.history, now, session.lacking, passed))


@command("next-stage")
def _next_stage(session: Session, _words: Sequence[str]) -> str:
    """Run to the next stage, and show what is new there."""
    return _go(session, session.next_stage())


@command("run-to", "STAGE [KERNEL|ADDRESS]", example="run-to bootparams")
def _run_to(session: Session, words: Sequence[str]) -> str:
    """Run to a stage, and show what is new there.

    Where no kernel is known, its file or its entry address says where `run-to entry` goes.
    """
    stage, *where = words
    if stage not in stages.NAMES:
        raise UserError(f"no stage {text.quoted(stage)}", f"the stages are {', '.join(stages.NAMES)}")
    for each in where:
        session.locate(each)
    return _go(session, stage)


def _go(session: Session, stage: str) -> str:
    from pvhdbg.boot.record.document import DONE
    from pvhdbg.views.report import run_text, stop_text

    outcome = session.go(stage)
    seen = session.history[-1] if session.history else None
    lines = stop_text.lines(Stop(seen, before(session, seen), session.image)) if seen else []
    return _lines(lines if outcome.ended == DONE else [*lines, run_text.outcome(outcome)])


@command("set", "PATH VALUE", example="set start_info.version 0")
def _set(session: Session, words: Sequence[str]) -> str:
    """Change one thing that was handed over, while the machine stands at its entry.

    PATH is one of the JSON document: start_info.magic, modules[1].paddr, modules[1].cmdline, cmdline,
    memory_map.entries[3].type. VALUE is a C integer, or a string in quotes within the shell's own: '"quiet"'.
    """
    from pvhdbg.boot.lab.assignment import setting
    from pvhdbg.views.report import run_text

    path, value = words
    return _lines(run_text.rewrites(session.rewrite(setting(path, value))))


@command("protocol", "NAME", example="protocol e820-module")
def _protocol(session: Session, words: Sequence[str]) -> str:
    """Turn what was handed over into another protocol, while the machine stands at its entry.

    NAME is e820-module (the RFC's: the map is the second module), memmap (today's) or v0 (no map at all).
    """
    from pvhdbg.boot.stop.protocols import PROTOCOLS
    from pvhdbg.views.report import run_text

    if words[0] not in PROTOCOLS:
        raise UserError(f"no protocol {text.quoted(words[0])}", f"the protocols are {', '.join(PROTOCOLS)}")
    return _lines(run_text.rewrites(session.rewrite(words[0])))


@command("diff", "[STAGE] [@STAGE]", example="diff bootparams @kernel")
def _diff(session: Session, words: Sequence[str]) -> str:
    """What changed since the stage before, or since STAGE."""
    from pvhdbg.views.report import diff_text

    stop, rest = _stop(session, words)
    before = captured(session, rest[0]) if rest else stop.before
    if before is None:
        raise UserError(f"no stage was captured before {stop.capture.stage}")
    return diff_text.captures(before, stop.capture).rstrip("\n")


@command("explain", "[NAME…]", example="explain memmap_paddr")
def _explain(_session: Session, words: Sequence[str]) -> str:
    """What a field, structure, stage, bit, note, rule or word is, who writes and who reads it, and the source."""
    from pvhdbg.views.explain import explain_text

    return (explain_text.answer(" ".join(words)) if words else explain_text.listing()).rstrip("\n")


def _path(word: str) -> Path:
    """A file as a user names it. :raise UserError: for the home folder of nobody."""
    from pathlib import Path

    try:
        return Path(word).expanduser()
    except RuntimeError as error:
        raise UserError(f"{printable(word)}: there is no such home folder") from error


@command("dump", "FILE", example="dump boot.json")
def _dump(session: Session, words: Sequence[str]) -> str:
    """Write all that was captured to a file: the recording that `pvhdbg show` and `open` read."""
    from pvhdbg.views.to_json import document_json

    path = _path(words[0])
    try:
        path.write_text(document_json.dumps(session.document()), encoding="utf-8")
    except OSError as error:
        raise UserError(f"can't write {path}: {error.strerror}") from error
    return f"written to {printable(str(path))}: {text.counted(len(session.history), 'stage')}"


@command("open", "[FILE]", example="open boot.json")
def _open(session: Session, words: Sequence[str]) -> str:
    """Look at a recording: commands answer from it until `open` without a file ends that."""
    from pvhdbg.boot.record.replay import load

    if not words:
        session.open(None)
        return "no recording is open"
    session.open(load(_path(words[0])))
    return run(session, "stages")


@command("help", "[COMMAND]", example="help start-info")
def _help(_session: Session, words: Sequence[str]) -> str:
    """All commands, or everything about one."""
    return help_text(*words)
