"""Boot a guest and run lines in stock gdb."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pvhdbg import guest
from pvhdbg.boot.stop import stages
from tests.in_gdb import stock

if TYPE_CHECKING:
    from pathlib import Path

ENTRY = 0x1000000
HEADING = re.compile(f"^({'|'.join((*stages.NAMES, stages.DIED))}): ", re.MULTILINE)
WITH_REBOOT = (*stock.TCG[:-1], "-action", "reboot=reset")


def boot(folder: Path, *lines: str, args: tuple[str, ...] = (), symbols: bool = True) -> stock.Output:
    """Run lines in a gdb connected to the teaching guest."""
    with stock.qemu(folder, guest.ELF, *args) as machine:
        return stock.pvh(folder, machine, *lines, symbols=guest.ELF if symbols else None)


def boot_tiny(folder: Path, content: bytes, *lines: str, args: tuple[str, ...] = ()) -> stock.Output:
    """Run lines in a gdb connected to a guest of a few bytes."""
    kernel = folder / "kernel"
    kernel.write_bytes(content)
    with stock.qemu(folder, kernel, *args) as machine:
        return stock.pvh(folder, machine, *lines, symbols=kernel)


def stages_of(output: stock.Output) -> list[str]:
    """Return the first word of each answer: a stage, if the answer has a heading. Skip gdb's own report of a stop."""
    return [(HEADING.findall(text) or [text.split(":")[0].strip()])[0] for text in output.texts]
