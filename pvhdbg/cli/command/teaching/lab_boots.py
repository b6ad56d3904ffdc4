"""The boots of a lab: its own machine, with the student's options, and what the student hands in."""

from __future__ import annotations

from os.path import lexists
from typing import TYPE_CHECKING

from pvhdbg import guest
from pvhdbg.abi.text import printable
from pvhdbg.boot.record import document as doc
from pvhdbg.cli.command import who
from pvhdbg.cli.command.picture import is_recording
from pvhdbg.cli.command.teaching.boots import boot
from pvhdbg.cli.launch import launched_without_gdb
from pvhdbg.errors import UserError
from pvhdbg.target.base import HIT
from pvhdbg.teaching.defined_boots import FIRST_BOOT
from pvhdbg.teaching.lab import grading
from pvhdbg.teaching.values import Boot

if TYPE_CHECKING:
    import argparse
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from pvhdbg.boot.record.document import Document
    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.live.debuggee.machine_session import MachineSession
    from pvhdbg.teaching.lab.lab_file import Lab

__all__ = ["around", "boot", "changes_boot", "decoded", "documents", "is_recording", "launch_options", "observed"]

_OF_LABS = ("append", "memory", "machine", "vmm", "protocol", "set", "initrd", "cpu")
"""What a lab can choose. A lab can be from anyone: it can't name programs, files elsewhere, or QEMU's own options."""
_SECONDS = 5.0
"""The time limit for reaching an instruction, in seconds."""
_LONGEST_INSTRUCTION = 15


def launch_options(lab: Lab, words: Sequence[str], options: argparse.Namespace) -> argparse.Namespace:
    """Return the options of a boot: those of the lab, then the student's, then `words`, those of one of its boots.

    :raise UserError: if the lab has an option that labs do not have.
    """
    from pvhdbg.cli.options import parser_of

    parser = parser_of("lab")
    parser.is_merging = True
    own = _parsed_own(lab, words)
    student = options.words[1:] if options.action in ("check", "open", "grade") else ["check"]
    merged = parser.parse_intermixed_args([*lab.options, *student, *words])
    if own.initrd is not None and merged.initrd == own.initrd:
        merged.initrd = lab.folder / own.initrd
    merged.qemu_args, merged.ascii, merged.words, merged.kernel = options.qemu_args, options.ascii, options.words, None
    return merged


def _parsed_own(lab: Lab, words: Sequence[str]) -> argparse.Namespace:
    from pvhdbg.cli.options import parser_of
    from pvhdbg.cli.parser import parse_of_file

    parser = parser_of("lab")
    parser.is_merging = True
    plain = parser.parse_args(["check"])
    try:
        own = parse_of_file(parser, ["check", *lab.options, *words])
    except UserError as error:
        raise lab.place.error(f"the lab's options: {error}") from error
    if own.what:
        raise lab.place.error(f"the lab's options: not an option: {own.what[0]}")
    for name, content in vars(own).items():
        if name not in _OF_LABS and content != getattr(plain, name):
            known = ", ".join(f"--{option}" for option in _OF_LABS)
            raise lab.place.error(f"the lab's options: --{name.replace('_', '-')}", f"use only {known}")
    if own.initrd is not None and own.initrd.name != str(own.initrd):
        why = f"the lab's options: no such file in the lab's folder: {own.initrd}"
        raise lab.place.error(why, "name a file in this folder")
    return own


def changes_boot(options: argparse.Namespace) -> bool:
    """Return whether the user gave an option about the boot."""
    from pvhdbg.cli.options import parser_of

    plain = parser_of("lab").parse_args([])
    return any(getattr(options, name) != getattr(plain, name) for name in _OF_LABS)


def documents(lab: Lab, paths: Sequence[Path], options: argparse.Namespace) -> dict[str, Document]:
    """Boot the lab's machines, with the student's options and kernel.

    :raise PvhdbgError: if a boot can't start.
    """
    if lab.has_own_kernel and len(paths) != 1:
        raise UserError(
            "this lab takes one kernel", "name the file that you built: `pvhdbg lab check myguest/guest.elf`"
        )
    if len(paths) > 1:
        raise UserError("this lab takes options", _see(lab))
    if paths and not lexists(paths[0]):
        raise UserError(f"{printable(str(paths[0]))}: no such file, and not an option", _takes(lab))
    found = {}
    for name, words in {FIRST_BOOT: (), **lab.boots}.items():
        launch = launch_options(lab, words, options)
        launch.kernel = paths[0] if paths else None
        found[name] = _boot(launch)
    return found


def _boot(launch: argparse.Namespace) -> Document:
    """Boot through all stages.

    :raise PvhdbgError: if the machine can't start.
    :raise KeyboardInterrupt: if the user interrupts the boot.
    """
    from pvhdbg.cli import progress

    with progress.shown(progress.START) as waiting, launched_without_gdb(launch) as session:
        from pvhdbg.cli import running

        return running.run_or_interrupt(session, None, waiting)


def _takes(lab: Lab) -> str:
    """Return a hint that says what the student can hand in."""
    if lab.has_own_kernel:
        return "name the file that you built"
    return f"this lab takes options such as --set, or recordings of its boots; {_see(lab)}"


def _see(lab: Lab) -> str:
    return f"see `pvhdbg lab start {lab.number}`"


def decoded(lab: Lab, document: Document) -> Document:
    """Return a recording that a student handed in, without what its memory and registers do not support.

    :raise UserError: if it contradicts itself, or is not about the lab's kernel.
    """
    from pvhdbg.boot.stop.address import symbol_at
    from pvhdbg.image.debug_info.symbols import Symbols
    from pvhdbg.image.facts import read_facts

    facts = read_facts(str(guest.ELF))
    is_guest = document.kernel is not None and document.kernel.build_id == facts.build_id
    if not is_guest and not lab.has_own_kernel:
        raise UserError("the recording is not of the teaching guest", _see(lab))
    symbols = Symbols(str(guest.ELF))
    return grading.supported(document, lambda rip: symbol_at(symbols.enclosing, facts, rip) if is_guest else None)


def observed(lab: Lab, field: str, options: argparse.Namespace) -> Document:
    """Boot the lab's machine, and observe what writes a field.

    :raise PvhdbgError: if it can't start, or does not reach the field's stage.
    """
    from pvhdbg.cli import progress

    with progress.shown(progress.START) as waiting:
        document, found, _ = who.observed_run(launch_options(lab, (), options), field, waiting)
    from pvhdbg.cli import running

    running.refuse_interrupted(document.outcome)
    if found is None:
        raise UserError("the lab's machine does not reach the stage of its field")
    return document._replace(who=tuple(found.answers))


def around(lab: Lab, word: str, options: argparse.Namespace) -> Boot | None:
    """Boot the lab's machine to the instruction that the student names. Return the stops before and after it.

    Return None if the guest does not come there, or not to the next instruction.
    """
    from pvhdbg.cli import progress

    launch = launch_options(lab, (), options)
    with progress.shown(progress.START), launched_without_gdb(launch) as session:
        from pvhdbg.cli import running

        outcome = session.session.run("entry")
        running.refuse_interrupted(outcome)
        if outcome.ended != doc.DONE:
            return None
        before = _stop_at(session, session.session.evaluate(word, session.session.current()))
        after = None if before is None or before.rip is None else _stop_at(session, _end(session, before))
        if before is None or after is None:
            return None
        stops = (*session.journey.history, before._replace(stage="before"), after._replace(stage="after"))
        return Boot(stops, session.image, session.machine_facts())


def _stop_at(session: MachineSession, address: int) -> Capture | None:
    now = session.session.capture_now()
    addresses = _aliases(session, address)
    if now.rip not in addresses and session.machine.runner.run_to(addresses, _SECONDS).kind != HIT:
        return None
    return session.session.capture_now()


def _aliases(session: MachineSession, address: int) -> Collection[int]:
    """Return the address, virtual and physical, if it is one of the kernel's."""
    image = session.image
    linked = image.to_vaddr(address) if image else None
    return image.aliases(address if linked is None else linked) if image else (address,)


def _end(session: MachineSession, before: Capture) -> int:
    """Return the address after the instruction at which the machine is stopped."""
    from pvhdbg.live.instructions.decode import BITS, Decoder

    rip = before.rip or 0
    paddr = session.image.to_paddr(rip) if session.image else None
    code = session.machine.target.read_phys(rip if paddr is None else paddr, _LONGEST_INSTRUCTION)
    instruction = Decoder().decode(code, rip, BITS.get(before.cpu_mode, 64))
    return rip + (instruction.size if instruction else 1)
