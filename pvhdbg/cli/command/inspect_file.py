"""`pvhdbg inspect KERNEL`: examine a kernel file without booting it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from pvhdbg.cli.result import Result

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from pathlib import Path

    from pvhdbg.image.load import Kernel
    from pvhdbg.views.inspection import InspectedFile


def inspect(options: argparse.Namespace) -> Result:
    """Return the inspection. The exit status is 1 if QEMU would not boot the file via PVH."""
    from pvhdbg.image.load import open_kernel
    from pvhdbg.views.report import inspect_text
    from pvhdbg.views.to_json import document_json, inspect_json

    symbols = None if options.symbols is None else str(options.symbols)
    with _folder() as folder:
        kernel = open_kernel(str(options.kernel), folder, symbols)
        inspection = _inspect(kernel)
    if options.format == "json":
        text = document_json.lines(inspect_json.to_dict(inspection)) + "\n"
    else:
        text = inspect_text.as_text(inspection)
    remarks = () if kernel.unused_symbols is None else (f"pvhdbg: note: {kernel.unused_symbols}",)
    return Result(text, int(bool(inspection.preflight.fatal)), remarks)


@contextmanager
def _folder() -> Iterator[Path]:
    """Make a private folder for unpacking a bzImage. The watcher removes it even after kill -9."""
    from pvhdbg.live.system import folder
    from pvhdbg.live.system.signals import exit_on_signals
    from pvhdbg.live.system.watcher import Watcher

    path = folder.choose()
    with exit_on_signals():
        watcher = Watcher(path)
        try:
            folder.make(path)
            yield path
        finally:
            folder.remove(path)
            watcher.end()


def _inspect(kernel: Kernel) -> InspectedFile:
    from pvhdbg.image import elf
    from pvhdbg.image.preflight import preflight_file
    from pvhdbg.image.vmm_loaders.prediction import predict_file
    from pvhdbg.live.instructions.guest_changes import guest_changes
    from pvhdbg.views.inspection import InspectedFile, stage_symbols

    preflight = preflight_file(kernel.facts, symbols=kernel.symbols)
    names = stage_symbols(kernel.facts)
    addresses = {name: kernel.symbols.address(name) for name in names if name in kernel.symbols}
    details = elf.inspect(kernel.facts.elf, kernel.facts)
    symbols = {} if kernel.symbols.left_out is None else {"symbols": kernel.symbols.left_out}
    vmms, changes = predict_file(kernel.facts), guest_changes(kernel.facts)
    return InspectedFile(kernel.facts, details, preflight, addresses, {**details.left_out, **symbols}, vmms, changes)
