"""`pvhdbg attach WHERE [KERNEL]`: a machine that already runs behind a stub of somebody else's."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pvhdbg.cli.command.session import has_screen
from pvhdbg.cli.result import Result
from pvhdbg.errors import UserError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from pvhdbg.image.load import Kernel
    from pvhdbg.live.debuggee.debuggee import Debuggee


def attach(options: argparse.Namespace) -> Result:
    """On a terminal the TUI; else what is there now, or the answers to `-c`."""
    if options.command or not has_screen():
        return _answer(options)
    from pvhdbg.tui.app import start

    kernel = "no kernel file" if options.kernel is None else Path(options.kernel).name
    start.live(lambda _meanwhile: attached(options), (kernel, f"at {options.where}"), ascii=options.ascii)
    return Result()


@contextmanager
def attached(options: argparse.Namespace) -> Iterator[Debuggee]:
    """The machine at `options.where`, stopped; it is left as it was found.

    :raise PvhdbgError: if nothing there speaks gdb's protocol, or the kernel is none.
    """
    from pvhdbg.boot.stop.kernel_probe import WithStrings
    from pvhdbg.live.debuggee.attached_machine import Attachment
    from pvhdbg.live.debuggee.debuggee import Debuggee
    from pvhdbg.live.gdb.process import GdbOptions
    from pvhdbg.live.system.signals import as_exits

    mi_log = None if options.mi_log is None else str(options.mi_log)
    gdb = GdbOptions(options.gdb or "gdb", options.gdbinit, mi_log)
    with as_exits(), Attachment(options.where, None, gdb) as session:
        # A bzImage is unpacked into the session's folder, which the watcher removes whatever ends us.
        kernel = _kernel(options, session.folder)
        session.target.symbols = WithStrings(kernel.symbols, kernel.facts) if kernel else None
        yield Debuggee(session, kernel, None, options.timeout, _remarks(session.target.physical_memory, kernel))


def _kernel(options: argparse.Namespace, folder: Path) -> Kernel | None:
    if options.kernel is None:
        if options.symbols is not None:
            raise UserError("--symbols without a KERNEL", "name the kernel that runs there too")
        return None
    from pvhdbg.image.load import open_kernel

    return open_kernel(str(options.kernel), folder, None if options.symbols is None else str(options.symbols))


def _remarks(physical_memory: str | None, kernel: Kernel | None) -> list[str]:
    """What this stub, and what is known of the kernel, can't give."""
    remarks = []
    if physical_memory is None:
        remarks.append("this stub reads no physical memory: what lies there is right only while paging is off")
    if kernel is None:
        remarks.append("no kernel file was named: there are no symbols, and no stage but where the machine stands")
    elif kernel.note:
        remarks.append(kernel.note)
    return [f"pvhdbg: note: {each}" for each in remarks]


def _answer(options: argparse.Namespace) -> Result:
    from pvhdbg.abi.text import printable
    from pvhdbg.boot.record.document import DONE, Outcome
    from pvhdbg.cli import asking, waiting
    from pvhdbg.cli.command import dump
    from pvhdbg.views.report import run_text

    asking.check(options.command)
    with waiting.shown(f"the stub at {printable(options.where)}"), attached(options) as debuggee:
        here = debuggee.position()
        result = Result(
            run_text.capture(here.capture, debuggee.image),
            UserError.exit_status if debuggee.journey.kernel_mismatch else 0,
            (*debuggee.remarks, *(f"pvhdbg: note: {each}" for each in debuggee.journey.take_news())),
        )
        if options.command:
            result = dump.ask(debuggee, Outcome(debuggee.journey.reached, DONE), options.command)(result)
    return result
