"""Stock gdb with pvh.py in it, and a QEMU that is not pvhdbg's own."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pvhdbg.live.qemu.options import DEFAULT_APPEND
from tests.paths import ROOT
from tests.qboot import QBOOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SCRIPT = ROOT / "gdb_scripts" / "pvh.py"
ASKED = Path(__file__).with_name("asked.py")
PATIENCE = 240
"""Seconds. A machine with nothing else to do needs three."""

# What `pvhdbg dump` gives its own QEMU; each device makes the ACPI tables longer, and what lies below them moves.
MACHINE = (
    *("-nodefaults", "-display", "none", "-serial", "null", "-m", "512M", "-append", DEFAULT_APPEND),
    *("-S", "-no-reboot"),
)
TCG = (*QBOOT, "-machine", "microvm", "-accel", "tcg", "-cpu", "max", "-no-shutdown")
KVM = (*QBOOT, "-machine", "microvm", "-accel", "kvm", "-cpu", "qemu64", "-no-shutdown")


class Machine(NamedTuple):
    """A QEMU: what `target remote` takes, and its process."""

    where: str
    process: subprocess.Popen[bytes]


class Answer(NamedTuple):
    """What a line printed, or the error it ended in."""

    text: str | None
    error: str | None


class Told(NamedTuple):
    """The answers, and what else came out of gdb."""

    answers: list[Answer]
    out: str
    err: str

    @property
    def texts(self) -> list[str]:
        """What the lines printed."""
        return [each.text or "" for each in self.answers]

    @property
    def errors(self) -> list[str]:
        """The errors there were."""
        return [each.error for each in self.answers if each.error is not None]

    @property
    def last(self) -> str:
        """What the last line printed."""
        return self.texts[-1]


@contextmanager
def qemu(
    folder: Path, kernel: Path, *args: str, tcp: bool = False, binary: str = "qemu-system-x86_64"
) -> Iterator[Machine]:
    """Run QEMU for as long as the block runs; its stub listens before it starts."""
    with socket.socket(socket.AF_INET if tcp else socket.AF_UNIX) as listener:
        listener.bind(("127.0.0.1", 0) if tcp else str(folder / "stub"))
        listener.listen(1)
        where = f"127.0.0.1:{listener.getsockname()[1]}" if tcp else str(folder / "stub")
        nodelay = ",nodelay=on" if tcp else ""  # as QEMU's own `-gdb tcp:` has it
        stub = f"socket,id=stub,fd={listener.fileno()},server=on,wait=off{nodelay}"
        call = [binary, *MACHINE, "-kernel", str(kernel), "-chardev", stub, "-gdb", "chardev:stub"]
        process = subprocess.Popen([*call, *(args or TCG)], pass_fds=[listener.fileno()], stdin=subprocess.DEVNULL)
    try:
        yield Machine(where, process)
    finally:
        process.kill()
        process.wait()
        (folder / "stub").unlink(missing_ok=True)


def gdb(
    folder: Path, *lines: str, symbols: Path | None = None, env: Mapping[str, str] | None = None, nx: bool = True
) -> Told:
    """Start gdb in `folder`, and ask it these lines one by one."""
    answers = folder / "answers"
    environment = {**os.environ, **(env or {}), "ASKED": json.dumps(lines), "ANSWERS": str(answers)}
    call = ["gdb", *(["-nx"] if nx else []), "-batch", *([str(symbols)] if symbols else []), "-x", str(ASKED)]
    done = subprocess.run(
        call, cwd=folder, env=environment, check=False, capture_output=True, text=True, timeout=PATIENCE
    )
    told = [Answer(*each) for each in json.loads(answers.read_text())] if answers.exists() else []
    return Told(told, done.stdout, done.stderr)


def pvh(folder: Path, machine: Machine, *lines: str, symbols: Path | None = None) -> Told:
    """`gdb`, connected and with pvh.py sourced; the answers are to `lines` alone."""
    told = gdb(folder, f"source {SCRIPT}", f"target remote {machine.where}", *lines, symbols=symbols)
    assert [None, None] == [each.error for each in told.answers[:2]], told.err
    return told._replace(answers=told.answers[2:])
