"""The watcher: when pvhdbg ends, even by kill -9, the watcher kills QEMU and gdb, removes the folder and restores the
terminal.

It is a small shell that waits for end-of-file on a pipe whose other end only pvhdbg holds. It leads the process group
in which QEMU and gdb run. While it lives, the group's number can't be reused. And because the group is not pvhdbg's,
the terminal's Ctrl-C and resize signals don't reach QEMU and gdb.
"""

from __future__ import annotations

import os
import signal
import subprocess
from typing import TYPE_CHECKING

from pvhdbg.live.system.os_errors import os_errors_as_machine_errors

if TYPE_CHECKING:
    from pathlib import Path

# The folder is removed before the processes are killed: once started, they create no files in it, and the last command
# kills the shell itself. Every line from the pipe describes how to restore the terminal; only the last line counts.
_SCRIPT = r"""
trap '' INT HUP QUIT TERM TSTP TTIN TTOU
line=
while IFS= read -r next; do line=$next; done
[ -z "$1" ] || rm -rf -- "$1"
if [ -n "$line" ]; then
    tty=${line%% *}
    stty "${line#* }" <"$tty"
    printf '\033[?1000l\033[?1002l\033[?1003l\033[?1006l\033[?2004l\033[?7h\033[?1049l\033[?25h\033[0m' >"$tty"
fi
kill -KILL 0
"""


class Watcher:
    """The shell that cleans up after pvhdbg. `group` is the process group in which to start children."""

    def __init__(self, folder: Path | None = None) -> None:
        """Start the shell. It will remove `folder`, if there is one.

        :raise MachineError: if the shell can't be started.
        """
        with os_errors_as_machine_errors("can't create a pipe"):
            reader, self._pipe = os.pipe()
        try:
            self._process = _start(reader, folder)
        except BaseException:
            os.close(self._pipe)
            raise
        finally:
            os.close(reader)
        self.group = self._process.pid

    def restore_terminal(self, tty: str, settings: str) -> None:
        """From now on, restore the terminal `tty` (a device path) when pvhdbg dies; `settings` is `stty -g` output."""
        os.write(self._pipe, f"{tty} {settings}\n".encode())

    def forget_terminal(self) -> None:
        """From now on, leave the terminal alone when pvhdbg dies: it has been restored."""
        os.write(self._pipe, b"\n")

    def end(self) -> None:
        """Kill the whole process group, the watcher included."""
        if self._process.returncode is None:
            os.killpg(self.group, signal.SIGKILL)
            self._process.wait()
            os.close(self._pipe)


def _start(reader: int, folder: Path | None) -> subprocess.Popen[bytes]:
    with os_errors_as_machine_errors("can't start /bin/sh"):
        return subprocess.Popen(
            ["/bin/sh", "-c", _SCRIPT, "pvhdbg-watcher", str(folder or "")],
            stdin=reader,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            process_group=0,
            cwd="/",
        )
