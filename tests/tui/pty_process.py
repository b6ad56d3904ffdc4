"""A program on a pseudo-terminal of its own, whose other end the test holds and can close."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.cli import shell
from tests.paths import ROOT

ALTERNATE_SCREEN = b"\x1b[?1049h"
_PATIENCE = 120.0
# nohup and a shell's `&` let the tests, and so pvhdbg, ignore signals.
_PREPARE = ("env", "--default-signal=HUP,INT,TERM", "setsid", "--ctty")
_IGNORE_HUP = ("sh", "-c", 'trap "" HUP; exec "$@"', "sh")


class PtyProcess:
    """A Python module that runs as the leader of a session, on a terminal of 120x40. `folder` is for its files, and
    only the program and its children have it in their environment.
    """

    def __init__(self, folder: Path, *words: str, module: str = "pvhdbg", ignores_hup: bool = False) -> None:
        self.folder = folder
        self.output = b""
        self._stderr = folder.parent / f"{folder.name}.stderr"
        self._master, terminal = os.openpty()
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        self.settings = termios.tcgetattr(terminal)
        with self._stderr.open("wb") as stderr:
            self.process = subprocess.Popen(
                [*_PREPARE, *(_IGNORE_HUP if ignores_hup else ()), sys.executable, "-m", module, *words],
                stdin=terminal,
                stdout=terminal,
                stderr=stderr,
                env={**os.environ, **self._environment()},
            )
        self._terminal: int | None = terminal
        _wait(self._has_started)

    def _environment(self) -> dict[str, str]:
        folders = dict.fromkeys(("TMPDIR", "XDG_RUNTIME_DIR"), str(self.folder))
        state = str(self.folder.parent / f"{self.folder.name}.state")
        return {**folders, "XDG_STATE_HOME": state, "TERM": "xterm-256color", "PYTHONPATH": str(ROOT)}

    def _has_started(self) -> bool:
        """Return whether the programs that prepare the terminal are done."""
        program = Path(f"/proc/{self.process.pid}/cmdline").read_bytes().partition(b"\0")[0]
        return os.fsdecode(program) == sys.executable or self.process.poll() is not None

    @property
    def stderr(self) -> str:
        return self._stderr.read_text(errors="replace")

    def read(self, seconds: float) -> None:
        """Read what the program writes, for some time."""
        self.until(lambda: False, seconds)

    def until(self, holds: Callable[[], bool], seconds: float = _PATIENCE) -> bool:
        """Read what the program writes until something holds. Return False after `seconds`."""
        end = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > end:
                return False
            if select.select([self._master], [], [], 0.02)[0]:
                try:
                    self.output += os.read(self._master, 65536)
                except OSError:  # the program has closed the terminal
                    time.sleep(0.02)
        return True

    def type(self, keys: bytes) -> None:
        os.write(self._master, keys)

    def kill(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def close_terminal(self) -> None:
        """Close the terminal, as a terminal window does."""
        self._close_own_end()
        os.close(self._master)

    def status(self) -> int | None:
        """Wait for the end and return the exit status; None if the program still runs."""
        if self._terminal is not None:
            self.until(lambda: self.process.poll() is not None)
        else:
            _wait(lambda: self.process.poll() is not None)
        return self.process.returncode

    def is_restored(self) -> bool:
        """Return whether the terminal's settings are as before, and its normal screen is shown."""
        assert self._terminal is not None
        entered, left = self.output.rfind(ALTERNATE_SCREEN), self.output.rfind(b"\x1b[?1049l")
        return self.settings == termios.tcgetattr(self._terminal) and left >= entered

    def leftovers(self) -> list[str]:
        """Return the files and processes that are left after some time."""
        _wait(lambda: not self._left())
        return self._left()

    def _left(self) -> list[str]:
        return [*map(str, self.folder.rglob("*")), *shell.started_in(self.folder).values()]

    def _close_own_end(self) -> None:
        if self._terminal is not None:
            os.close(self._terminal)
            self._terminal = None

    def end(self) -> None:
        if self._terminal is not None:
            self.close_terminal()
        self.process.kill()
        self.process.wait()


def _wait(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + _PATIENCE
    while not holds() and time.monotonic() < end:
        time.sleep(0.02)


@contextmanager
def on_terminal(folder: Path, *words: str, module: str = "pvhdbg", ignores_hup: bool = False) -> Iterator[PtyProcess]:
    started = PtyProcess(folder, *words, module=module, ignores_hup=ignores_hup)
    try:
        yield started
    finally:
        started.end()
