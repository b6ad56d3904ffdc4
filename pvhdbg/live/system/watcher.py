"""Whatever ends pvhdbg, even kill -9, ends QEMU and gdb too, removes the folder and gives the terminal back.

A small shell waits for the end of a pipe whose other end only pvhdbg holds. It leads the process group that QEMU and
gdb run in: as long as it lives the group's number is nobody else's, and a group of their own keeps the terminal's
Ctrl-C and resize from them.
"""

from __future__ import annotations

import os
import signal
import subprocess
from typing import TYPE_CHECKING

from pvhdbg.live.system.os_errors import told

if TYPE_CHECKING:
    from pathlib import Path

# The folder goes before the processes do: nothing makes files in it once they have started, and the last command ends
# the shell itself. Each line from the pipe says how to give the terminal back; only the last one counts.
_SCRIPT = r"""
trap '' INT HUP QUIT TERM TSTP TTIN TTOU
line=
while IFS= read -r next; do line=$next; done
rm -rf -- "$1"
if [ -n "$line" ]; then
    tty=${line%% *}
    stty "${line#* }" <"$tty"
    printf '\033[?1000l\033[?1002l\033[?1003l\033[?1006l\033[?2004l\033[?7h\033[?1049l\033[?25h\033[0m' >"$tty"
fi
kill -KILL 0
"""


class Watcher:
    """The shell that cleans up after us. `group` is the process group to start children in."""

    def __init__(self, folder: Path) -> None:
        """:raise MachineError: if it can't be started."""
        with told("can't make a pipe"):
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
        """If we die from now on, give `tty` (a device's path) the `settings` that `stty -g` printed."""
        os.write(self._pipe, f"{tty} {settings}\n".encode())

    def forget_terminal(self) -> None:
        """The terminal is as it was: leave it alone from now on."""
        os.write(self._pipe, b"\n")

    def end(self) -> None:
        """End the whole group, and the watcher with it."""
        if self._process.returncode is None:
            os.killpg(self.group, signal.SIGKILL)
            self._process.wait()
            os.close(self._pipe)


def _start(reader: int, folder: Path) -> subprocess.Popen[bytes]:
    with told("can't start /bin/sh"):
        return subprocess.Popen(
            ["/bin/sh", "-c", _SCRIPT, "pvhdbg-watcher", str(folder)],
            stdin=reader,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            process_group=0,
            cwd="/",
        )
