"""A stock gdb that sourced pvh.py, and a QEMU that pvhdbg did not start."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pvhdbg.live.qemu.options import DEFAULT_APPEND
from tests import kernels
from tests.paths import ROOT
from tests.qboot import QBOOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SCRIPT = ROOT / "gdb_scripts" / "pvh.py"
RUN_LINES = Path(__file__).with_name("run_lines.py")
PATIENCE = 240
"""Seconds to wait. An idle computer needs three."""

# The options of `pvhdbg dump`. With more devices, the ACPI tables grow and the structures below them move.
MACHINE = (
    *("-nodefaults", "-display", "none", "-serial", "null", "-m", "512M", "-append", DEFAULT_APPEND),
    *("-S", "-no-reboot"),
)
TCG = (*QBOOT, "-machine", "microvm", "-accel", "tcg", "-cpu", "max", "-no-shutdown")
KVM = (*QBOOT, "-machine", "microvm", "-accel", "kvm", "-cpu", "qemu64", "-no-shutdown")


class Machine(NamedTuple):
    """A running QEMU. `where` is for `target remote`."""

    where: str
    process: subprocess.Popen[bytes]


class Answer(NamedTuple):
    """What a line printed, or the error that it ended with."""

    text: str | None
    error: str | None


class Output(NamedTuple):
    """The answers to the lines, and gdb's other output."""

    answers: list[Answer]
    out: str
    err: str

    @property
    def texts(self) -> list[str]:
        """What each line printed."""
        return [answer.text or "" for answer in self.answers]

    @property
    def errors(self) -> list[str]:
        """The errors of the lines that failed."""
        return [answer.error for answer in self.answers if answer.error is not None]

    @property
    def last(self) -> str:
        """What the last line printed."""
        return self.texts[-1]


@contextmanager
def qemu(
    folder: Path, kernel: Path, *args: str, tcp: bool = False, binary: str = "qemu-system-x86_64"
) -> Iterator[Machine]:
    """Run QEMU during the block. The socket of its gdb stub accepts connections before QEMU starts."""
    with socket.socket(socket.AF_INET if tcp else socket.AF_UNIX) as listener:
        listener.bind(("127.0.0.1", 0) if tcp else str(folder / "stub"))
        listener.listen(1)
        where = f"127.0.0.1:{listener.getsockname()[1]}" if tcp else str(folder / "stub")
        nodelay = ",nodelay=on" if tcp else ""  # like QEMU's own `-gdb tcp:`
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
) -> Output:
    """Start gdb in `folder` and run these lines."""
    answers = folder / "answers"
    environment = {**os.environ, **(env or {}), "PVH_LINES": json.dumps(lines), "PVH_ANSWERS": str(answers)}
    index = [word for command in kernels.GDB_INDEX for word in ("-iex", command)]
    files = [*([str(symbols)] if symbols else []), "-x", str(RUN_LINES)]
    call = ["gdb", *(["-nx"] if nx else []), *index, "-batch", *files]
    done = subprocess.run(
        call, cwd=folder, env=environment, check=False, capture_output=True, text=True, timeout=PATIENCE
    )
    written = json.loads(answers.read_text()) if answers.exists() else []
    return Output([Answer(*answer) for answer in written], done.stdout, done.stderr)


def pvh(folder: Path, machine: Machine, *lines: str, symbols: Path | None = None) -> Output:
    """Start gdb, source pvh.py, connect, and run these lines. Return only the answers to these lines."""
    output = gdb(folder, f"source {SCRIPT}", f"target remote {machine.where}", *lines, symbols=symbols)
    assert [None, None] == [answer.error for answer in output.answers[:2]], output.err
    return output._replace(answers=output.answers[2:])
