"""gdb as a child process: lines in, lines out, a log of both, and how it ended."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pvhdbg.errors import UserError
from pvhdbg.live.system import exit_report
from pvhdbg.live.system.os_errors import told

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import IO, TextIO

_LINES_KEPT = 1000
_LONGEST_KEPT = 4096
_QUIET_START = ("-nx", "-iex", "set auto-load off", "-iex", "set debuginfod enabled off")


class GdbOptions(NamedTuple):
    """`gdbinit` lets gdb read the user's own start-up files; `mi_log` is a path that every line goes to."""

    binary: str = "gdb"
    gdbinit: bool = False
    mi_log: str | None = None


class GdbProcess:
    """A running gdb. `recent` holds the last thousand lines of both directions, each cut to 4096 characters."""

    def __init__(self, options: GdbOptions, folder: Path, group: int) -> None:
        self.options = options
        self.recent: deque[str] = deque(maxlen=_LINES_KEPT)
        self._stderr = folder / "gdb.stderr"
        self._log_fault: OSError | None = None
        self._process = self._start(group)
        try:
            self._log = _open_log(options.mi_log)
        except UserError:
            self.kill()
            self._close_pipes()
            raise

    def _start(self, group: int) -> subprocess.Popen[bytes]:
        writing, starting = (
            told(f"can't write {self._stderr}"),
            told(f"can't start {self.options.binary}", "install the package gdb"),
        )
        with writing, self._stderr.open("wb") as stderr, starting:
            return subprocess.Popen(
                [self.options.binary, "-q", "--interpreter=mi3", *(() if self.options.gdbinit else _QUIET_START)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                process_group=group,
                env=_environment(os.environ, own_files=self.options.gdbinit),
                bufsize=0,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def write(self, line: str) -> None:
        """Lost if gdb has gone: its end is seen by who reads.

        :raise UserError: if the log could not be written, now or for what gdb said before.
        """
        self._note("<", line)
        self.check_log()
        with suppress(BrokenPipeError):
            self._stdin.write(os.fsencode(f"{line}\n"))

    def lines(self) -> Iterator[str]:
        """What gdb says, whole lines only, to its end."""
        rest = b""
        while chunk := self._stdout.read(65536):
            *whole, rest = (rest + chunk).split(b"\n")
            for each in whole:
                line = each.decode(errors="backslashreplace")
                self._note(">", line)
                yield line
            if rest:
                # gdb writes its notifications a byte at a time: to wake for each costs more than to wait for the line.
                time.sleep(0.0002)

    def interrupt(self) -> None:
        """What Ctrl-C is to a gdb on a terminal."""
        self._process.send_signal(signal.SIGINT)

    def sleeps(self) -> bool:
        """Whether it waits for something, such as a guest to stop."""
        with suppress(OSError):
            return Path(f"/proc/{self.pid}/stat").read_bytes().rpartition(b") ")[2][:1] == b"S"
        return False

    def obituary(self) -> str:
        """How gdb ended, in one line."""
        try:
            code = self._process.wait(1.0)
        except subprocess.TimeoutExpired:
            return "gdb has closed its output"
        words = exit_report.last_words(self._stderr)
        return f"gdb has gone: {exit_report.manner(code)}" + (f": {words}" if words else "")

    def kill(self) -> None:
        """End it, without waiting for the end."""
        self._process.kill()

    def close(self) -> None:
        """After `kill`, when nobody reads its lines any more."""
        self._close_pipes()
        self._close_log()

    def check_log(self) -> None:
        """:raise UserError: once, if the log could not be written. There is none from then on."""
        fault, self._log_fault = self._log_fault, None
        if fault is not None:
            raise UserError(f"can't write {self.options.mi_log}: {fault.strerror}") from fault

    def _close_log(self) -> None:
        log, self._log = self._log, None
        if log is not None:
            with suppress(OSError):  # what it could not write before, it can't now
                log.close()

    def _close_pipes(self) -> None:
        self._process.wait()
        self._stdin.close()
        self._stdout.close()

    @property
    def _stdin(self) -> IO[bytes]:
        assert self._process.stdin is not None  # noqa: S101 - Popen was told so
        return self._process.stdin

    @property
    def _stdout(self) -> IO[bytes]:
        assert self._process.stdout is not None  # noqa: S101 - Popen was told so
        return self._process.stdout

    def _note(self, direction: str, line: str) -> None:
        self.recent.append(f"{direction} {line[:_LONGEST_KEPT]}")
        try:
            if self._log is not None:
                self._log.write(f"{direction} {line}\n")
        except OSError as error:  # whoever reads must go on reading
            self._log_fault = error
            self._close_log()
        except ValueError:  # closed meanwhile, by the other thread
            pass


def _open_log(path: str | None) -> TextIO | None:
    if path is None:
        return None
    try:
        return open(path, "w", buffering=1, encoding="utf-8", errors="surrogateescape")  # noqa: PTH123 - as long as gdb
    except OSError as error:
        raise UserError(f"can't write {path}: {error.strerror}") from error


def _environment(ours: Mapping[str, str], *, own_files: bool) -> dict[str, str]:
    """What gdb says is parsed, so it says it in English; and our interpreter's variables are not for gdb's own Python.

    A user's start-up files may count on PYTHONPATH. Otherwise what gdb's Python compiles at each start is kept
    in the user's cache, which saves 20 ms: where its files lie it may not, and should not, be written.
    """
    if own_files:
        return {**ours, "LC_ALL": "C"}
    cache = ours.get("XDG_CACHE_HOME") or f"{ours.get('HOME', '/tmp')}/.cache"  # noqa: S108  as good as none
    kept = {name: value for name, value in ours.items() if not name.startswith("PYTHON")}
    return kept | {"LC_ALL": "C", "PYTHONPYCACHEPREFIX": f"{cache}/pvhdbg/gdb-python"}
