"""`pvhdbg attach WHERE [KERNEL]`: debug a machine that pvhdbg did not start, through its gdb stub."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pvhdbg.cli.command.interactive import has_screen
from pvhdbg.cli.result import Result
from pvhdbg.errors import UserError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from pvhdbg.image.load import Kernel
    from pvhdbg.live.debuggee.debuggee import Debuggee


def attach(options: argparse.Namespace) -> Result:
    """Open the TUI on a terminal; otherwise print the current state, or the output of the `-c` commands."""
    if options.command or not has_screen():
        return _answer(options)
    from pvhdbg.tui.app import start

    kernel = "no kernel file" if options.kernel is None else Path(options.kernel).name
    start.run_live(
        lambda _meanwhile: attached(options), (kernel, f"at {options.where}"), ascii=options.ascii, theme=options.theme
    )
    return Result()


@contextmanager
def attached(options: argparse.Namespace) -> Iterator[Debuggee]:
    """Attach to the stub at `options.where` and stop the machine. Detach when the context ends.

    :raise PvhdbgError: if no gdb stub answers at that address, or the KERNEL file is not a kernel.
    """
    from pvhdbg.boot.stop.kernel_probe import SymbolsAndStrings
    from pvhdbg.live.debuggee.attached_machine import AttachedMachine
    from pvhdbg.live.debuggee.debuggee import Debuggee
    from pvhdbg.live.gdb.process import GdbOptions
    from pvhdbg.live.system.signals import exit_on_signals

    mi_log = None if options.mi_log is None else str(options.mi_log)
    gdb = GdbOptions(options.gdb or "gdb", options.gdbinit, mi_log)
    with exit_on_signals(), AttachedMachine(options.where, None, gdb) as machine:
        # A bzImage is unpacked into the machine's folder, which the watcher removes even after kill -9.
        kernel = _kernel(options, machine.folder)
        machine.target.symbols = SymbolsAndStrings(kernel.symbols, kernel.facts) if kernel else None
        yield Debuggee(machine, kernel, None, options.timeout, _remarks(machine.target.physical_memory, kernel))


def _kernel(options: argparse.Namespace, folder: Path) -> Kernel | None:
    if options.kernel is None:
        if options.symbols is not None:
            raise UserError("--symbols without KERNEL", "pass the kernel file too")
        return None
    from pvhdbg.image.load import open_kernel

    return open_kernel(str(options.kernel), folder, None if options.symbols is None else str(options.symbols))


def _remarks(physical_memory: str | None, kernel: Kernel | None) -> list[str]:
    """Return a remark for each limitation of this gdb stub and kernel file."""
    remarks = []
    if physical_memory is None:
        remarks.append("this gdb stub cannot read physical memory, so decoded data is correct only while paging is off")
    if kernel is None:
        remarks.append("no kernel file: pvhdbg has no symbols, so it finds no stages and decodes only the current stop")
    elif kernel.symbols_remark:
        remarks.append(kernel.symbols_remark)
    return [f"pvhdbg: note: {remark}" for remark in remarks]


def _answer(options: argparse.Namespace) -> Result:
    from pvhdbg.abi.text import printable
    from pvhdbg.boot.stop.stop import Stop
    from pvhdbg.cli import answers, progress, running
    from pvhdbg.views.report import run_text

    answers.check_lines(options.command)
    with progress.shown(f"the gdb stub at {printable(options.where)}"), attached(options) as debuggee:
        here = debuggee.position()
        document = debuggee.session.document()
        has_ended = document.outcome.died is not None or document.outcome.watched is not None
        if document.outcome.watched is not None:
            document = document._replace(stops=(*document.stops, here.capture))
        status = running.status_of(document.outcome, None)
        stop = Stop(here.capture, (), debuggee.image)
        result = Result(
            run_text.document(document) if has_ended else run_text.header_and_stop(document, stop),
            UserError.exit_status if debuggee.journey.kernel_mismatch else status,
            (*debuggee.remarks, *(f"pvhdbg: note: {note}" for note in debuggee.journey.take_news())),
        )
        if has_ended:
            result = result._replace(remarks=(*result.remarks, *running.ending(document.outcome, document)))
        if options.command:
            result = running.ask(debuggee, options.command)(result)
        if result.error is None:
            debuggee.machine.gdb.check()
    return result
