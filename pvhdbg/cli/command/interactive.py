"""`pvhdbg [KERNEL]`: the TUI on a terminal; without a terminal, the same as `dump`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pvhdbg.cli import progress
from pvhdbg.cli.result import Result

if TYPE_CHECKING:
    import argparse


def has_screen() -> bool:
    """Return True if standard input and output are a terminal that the screen can be drawn on."""
    return sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM", "dumb") not in ("", "dumb")


def interactive(options: argparse.Namespace, greeting: str = "") -> Result:
    """Open the screen. `greeting` is a line for the user, instead of the one for the first start."""
    if not has_screen():
        from pvhdbg.cli.command.dump import dump

        return dump(options)
    from pvhdbg.cli.launch import launched
    from pvhdbg.tui.app import start

    if options.kernel is not None:
        progress.announce_slow_start(options.kernel)
    kernel = "the teaching guest" if options.kernel is None else Path(options.kernel).name
    is_on_xen = options.xen or options.xen_image is not None
    machine = f"Xen {options.accel}" if is_on_xen else f"{options.machine} {options.accel} {options.memory}"
    start.run_live(
        lambda started: launched(options, started),
        (kernel, machine),
        ascii=options.ascii,
        theme=options.theme,
        greeting=(lambda: greeting) if greeting else _greeting,
    )
    return Result()


def _greeting() -> str:
    """Return a line for the first start of the screen; empty at later ones, and for readers of the tour."""
    from pvhdbg import state_files
    from pvhdbg.tui.screen.tour import FILE

    known = state_files.load(FILE)
    if known:
        return ""
    state_files.save(FILE, {"offered": True})
    return "new here? `pvhdbg tour` explains a boot, step by step"
