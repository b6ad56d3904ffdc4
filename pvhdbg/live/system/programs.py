"""The programs that pvhdbg starts: how each says what it is, and the oldest that will do."""

from __future__ import annotations

import re
import subprocess
from typing import NamedTuple

from pvhdbg.errors import MachineError

_PATIENCE = 10
_SHOWN = 60


class Program(NamedTuple):
    """`says` finds major and minor version in the first line of --version; `package` is Debian's."""

    name: str
    says: re.Pattern[str]
    oldest: tuple[int, int]
    package: str

    @property
    def needed(self) -> str:
        return f"install the package {self.package}, {self.oldest[0]}.{self.oldest[1]} or newer"

    def fault(self, line: str) -> str | None:
        """What is wrong with a program whose --version begins with this line; null if nothing is."""
        found = self.says.match(line)
        if found is None:
            return f'is no {self.name}: its version is "{line[:_SHOWN]}"'
        if (int(found[1]), int(found[2])) < self.oldest:
            return f"is version {found[1]}.{found[2]}"
        return None


QEMU = Program("QEMU", re.compile(r"QEMU emulator version (\d{1,9})\.(\d{1,9})"), (5, 2), "qemu-system-x86")
# The distribution's name may stand before the version and have a number too.
GDB = Program("gdb", re.compile(r"GNU gdb .*?(\d{1,9})\.(\d{1,9})\S*$"), (11, 0), "gdb")


def version(binary: str) -> str:
    """The first line of its --version, its bytes as latin-1. It costs as much as a start.

    :raise MachineError: if it has none.
    """
    try:
        done = subprocess.run(
            [binary, "--version"], stdin=subprocess.DEVNULL, capture_output=True, timeout=_PATIENCE, check=False
        )
    except OSError as error:
        raise MachineError(f"does not run: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise MachineError(f"does not say its version within {_PATIENCE} s") from error
    if done.returncode:
        raise MachineError(f"exit status {done.returncode}")
    return done.stdout.partition(b"\n")[0].strip().decode("latin-1")
