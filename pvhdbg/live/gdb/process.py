"""gdb as a child process: lines in, lines out, a log of both, and how it exited."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from pvhdbg.errors import UserError
from pvhdbg.live.gdb import environment
from pvhdbg.live.system.exit_report import describe_exit, last_error
from pvhdbg.live.system.os_errors import os_errors_as_machine_errors
from pvhdbg.live.system.programs import GDB
from pvhdbg.named_tuple import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO, TextIO

_LINES_KEPT = 1000
_LONGEST_NOTE = 4096
LONGEST_LINE = 4 << 20
"""The longest line that is read from gdb, in bytes. The longest answer to one of pvhdbg's commands has 128 KiB."""
DAMAGED_CACHE = "gdb's cached Python files were damaged, and pvhdbg has deleted them"
_QUIET_START = ("-nx", "-iex", "set auto-load off", "-iex", "set debuginfod enabled off")


class GdbOptions(NamedTuple):
    """How to start gdb. With `gdbinit`, gdb reads the user's own start-up files. `mi_log` is the path of the log."""

    binary: str = "gdb"
    gdbinit: bool = False
    mi_log: str | None = None


class GdbProcess:
    """A running gdb. `recent` holds the last 1000 lines sent and received, each cut to 4096 characters."""

    def __init__(self, options: GdbOptions, folder: Path, group: int) -> None:
        self.options = options
        self.recent: deque[str] = deque(maxlen=_LINES_KEPT)
        self._stderr = folder / "gdb.stderr"
        self._log_error: OSError | None = None
        self._process = self._start(group)
        try:
            self._log = _open_log(options.mi_log)
        except UserError:
            self.kill()
            self._close_pipes()
            raise

    def _start(self, group: int) -> subprocess.Popen[bytes]:
        writing, starting = (
            os_errors_as_machine_errors(f"can't write {self._stderr}"),
            os_errors_as_machine_errors(f"can't start {self.options.binary}", GDB.hint(self.options.binary)),
        )
        with writing, self._stderr.open("wb") as stderr, starting:
            return subprocess.Popen(
                [self.options.binary, "-q", "--interpreter=mi3", *(() if self.options.gdbinit else _QUIET_START)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                process_group=group,
                env=environment.of_gdb(os.environ, gdbinit=self.options.gdbinit),
                bufsize=0,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def write(self, line: str) -> None:
        """Send a line. If gdb has exited, the line is dropped: the reading thread reports the exit.

        :raise UserError: if this line or an earlier line could not be written to the log.
        """
        self._note("<", line)
        self.check_log()
        data = _encoded(f"{line}\n")
        with suppress(BrokenPipeError, ValueError):  # ValueError: another thread has closed the pipe
            self._stdin.write(data)

    def lines(self) -> Iterator[str]:
        """Yield gdb's output line by line until it exits, each cut to LONGEST_LINE bytes.

        A byte that is not UTF-8 becomes a lone surrogate, which `write` converts back to the byte.
        """
        rest = bytearray()
        while chunk := self._stdout.read(65536):
            *ends, last = chunk.split(b"\n")
            for end in ends:
                rest += end[: LONGEST_LINE - len(rest)]
                line = rest.decode(errors="surrogateescape")
                rest.clear()
                self._note(">", line)
                yield line
            rest += last[: LONGEST_LINE - len(rest)]
            if rest:
                # gdb writes notifications byte by byte. Waiting for the rest costs less than waking up for every byte.
                time.sleep(0.0002)

    def pause(self) -> None:
        """Let gdb wait until `resume`: it would compete with QEMU and pvhdbg for the CPUs."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def interrupt(self) -> None:
        """Send SIGINT, as Ctrl-C on a terminal would."""
        self._process.send_signal(signal.SIGINT)

    def is_sleeping(self) -> bool:
        """Return whether gdb is waiting for something, such as the guest's next stop."""
        with suppress(OSError):
            return Path(f"/proc/{self.pid}/stat").read_bytes().rpartition(b") ")[2][:1] == b"S"
        return False

    def exit_report(self) -> str:
        """Describe how gdb exited, in one line. If gdb could not read its cached Python files, delete them."""
        try:
            code = self._process.wait(1.0)
        except subprocess.TimeoutExpired:
            return "gdb closed its output"
        error = last_error(self._stderr)
        if error == environment.NO_PYTHON and not self.options.gdbinit and environment.delete_cache(os.environ):
            return f"gdb {describe_exit(code)}: {DAMAGED_CACHE}"
        return f"gdb {describe_exit(code)}" + (f": {error}" if error else "")

    def kill(self) -> None:
        """Kill gdb without waiting for it to exit."""
        self._process.kill()

    def close(self) -> None:
        """Wait for gdb to end, and close its pipes and the log. Call this after `kill`, when `lines` has ended."""
        self._close_pipes()
        self._close_log()

    def check_log(self) -> None:
        """Check that all lines could be written to the log. After an error, the log is closed and not checked again.

        :raise UserError: if a line could not be written.
        """
        error, self._log_error = self._log_error, None
        if error is not None:
            raise UserError(f"can't write {self.options.mi_log}: {error.strerror}") from error

    def _close_log(self) -> None:
        log, self._log = self._log, None
        if log is not None:
            with suppress(OSError):  # the rest can't be written either
                log.close()

    def _close_pipes(self) -> None:
        self._process.wait()
        self._stdin.close()
        self._stdout.close()

    @property
    def _stdin(self) -> IO[bytes]:
        assert self._process.stdin is not None  # noqa: S101 - a pipe was requested
        return self._process.stdin

    @property
    def _stdout(self) -> IO[bytes]:
        assert self._process.stdout is not None  # noqa: S101 - a pipe was requested
        return self._process.stdout

    def _note(self, direction: str, line: str) -> None:
        self.recent.append(f"{direction} {line[:_LONGEST_NOTE]}")
        try:
            if self._log is not None:
                self._log.write(f"{direction} {line}\n")
        except OSError as error:  # the reading thread must continue
            self._log_error = error
            self._close_log()
        except ValueError:  # the other thread has closed the log
            pass


def _encoded(line: str) -> bytes:
    """Return the bytes of a line: in the locale's encoding, as file names have it, if that has all its characters."""
    try:
        return os.fsencode(line)
    except UnicodeEncodeError:
        return line.encode(errors="surrogateescape")


def _open_log(path: str | None) -> TextIO | None:
    if path is None:
        return None
    from pvhdbg.boot.record.save import refuse_planted_link

    refuse_planted_link(Path(path))
    try:
        return open(path, "w", buffering=1, encoding="utf-8", errors="surrogateescape")  # noqa: PTH123 - as long as gdb
    except OSError as error:
        raise UserError(f"can't write {path}: {error.strerror}") from error
