"""The commands that start nothing: inspect, show and gdb-script."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pvhdbg.cli.command.session import has_screen
from pvhdbg.cli.result import Result

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from pvhdbg.image.load import Kernel
    from pvhdbg.views.inspection import Inspected


def inspect(options: argparse.Namespace) -> Result:
    """Status 1 if QEMU won't start the file by PVH."""
    from pvhdbg.image.load import open_kernel
    from pvhdbg.views.report import inspect_text
    from pvhdbg.views.to_json import document_json as to_json
    from pvhdbg.views.to_json import inspect_json

    symbols = None if options.symbols is None else str(options.symbols)
    with _folder() as folder:
        kernel = open_kernel(str(options.kernel), folder, symbols)
        found = _inspected(kernel)
    text = (
        to_json.lines(inspect_json.to_dict(found)) + "\n" if options.format == "json" else inspect_text.as_text(found)
    )
    remarks = () if kernel.symbols_note is None else (f"pvhdbg: note: {kernel.symbols_note}",)
    return Result(text, int(bool(found.preflight.fatal)), remarks)


@contextmanager
def _folder() -> Iterator[Path]:
    """A private folder that goes whatever ends us: a bzImage is unpacked there."""
    from pvhdbg.live.system import folder
    from pvhdbg.live.system.signals import as_exits
    from pvhdbg.live.system.watcher import Watcher

    path = folder.choose()
    with as_exits():
        watcher = Watcher(path)
        try:
            folder.make(path)
            yield path
        finally:
            folder.remove(path)
            watcher.end()


def _inspected(kernel: Kernel) -> Inspected:
    from pvhdbg.image import elf
    from pvhdbg.image.preflight import preflight_file
    from pvhdbg.views.inspection import STAGE_SYMBOLS, Inspected

    found = preflight_file(kernel.facts, symbols=kernel.symbols)
    addresses = {name: kernel.symbols.address(name) for name in STAGE_SYMBOLS if name in kernel.symbols}
    return Inspected(kernel.facts, elf.inspect(kernel.facts.elf), found, addresses)


def show(options: argparse.Namespace) -> Result:
    """With --tui on the terminal, if there is one."""
    from pvhdbg.boot.record.replay import load

    document = load(options.recording)
    if options.command:
        from pvhdbg.boot.session.recorded import RecordedSession
        from pvhdbg.cli.asking import answers

        told = answers(RecordedSession(document), options.command)
        return Result(told.text, error=told.error)
    if options.tui and has_screen():
        from pvhdbg.tui.app import start

        start.recorded(document, options.recording.name, ascii=options.ascii)
        return Result()
    from pvhdbg.views.report import run_text

    return Result(run_text.document(document))


def gdb_script(_options: argparse.Namespace) -> Result:
    from pvhdbg.live.gdb import script as gdb_script

    return Result(f"{gdb_script.path()}\n")
