"""The programs that pvhdbg starts: how to recognize each by its --version, and the oldest version that works."""

from __future__ import annotations

import re
import subprocess

from pvhdbg.errors import MachineError
from pvhdbg.lazy_pattern import pattern
from pvhdbg.named_tuple import NamedTuple

_TIMEOUT = 10
_LONGEST_QUOTE = 60


class Program(NamedTuple):
    """QEMU or gdb.

    `version_pattern` finds major and minor version in the first line that --version prints. `package` is Debian's
    package. pvhdbg runs one of `binaries` unless the user names another file with `option`.
    """

    name: str
    version_pattern: re.Pattern[str]
    oldest: tuple[int, int]
    package: str
    option: str
    binaries: tuple[str, ...]

    def hint(self, binary: str) -> str:
        """Return the hint for a `binary` that can't be run."""
        if binary in self.binaries:
            return f"install the package {self.package}"
        return f"pass the path of {self.binaries[0]} with {self.option}"

    def version_hint(self, binary: str) -> str:
        """Return the hint for a `binary` with a `problem`."""
        version = f"{self.oldest[0]}.{self.oldest[1]} or newer"
        if binary in self.binaries:
            return f"install {self.package} {version}"
        return f"pass the path of {self.binaries[0]} {version} with {self.option}"

    def problem(self, line: str) -> str | None:
        """Return why a program that prints `line` for --version is not usable. None if it is usable."""
        match = self.version_pattern.match(line)
        if match is None:
            return f'not {self.name}: --version prints "{line[:_LONGEST_QUOTE]}"'
        if (int(match[1]), int(match[2])) < self.oldest:
            return f"version {match[1]}.{match[2]} is too old"
        return None


QEMU = Program(
    "QEMU",
    pattern(r"QEMU emulator version (\d{1,9})\.(\d{1,9})"),
    (5, 2),
    "qemu-system-x86",
    "--qemu",
    ("qemu-system-x86_64", "qemu-system-i386"),
)
# The distribution's name may precede the version and contain a number too.
GDB = Program("gdb", pattern(r"GNU gdb .*?(\d{1,9})\.(\d{1,9})\S*$"), (11, 0), "gdb", "--gdb", ("gdb",))


def version(binary: str) -> str:
    """Run `binary --version` and return the first line, decoded as Latin-1. This takes as long as starting the program.

    :raise MachineError: if the program can't be started, times out or fails.
    """
    try:
        done = subprocess.run(
            [binary, "--version"], stdin=subprocess.DEVNULL, capture_output=True, timeout=_TIMEOUT, check=False
        )
    except OSError as error:
        raise MachineError(f"can't be started: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise MachineError(f"--version timed out after {_TIMEOUT} s") from error
    if done.returncode:
        raise MachineError(f"--version: exit status {done.returncode}")
    return done.stdout.partition(b"\n")[0].strip().decode("latin-1")
