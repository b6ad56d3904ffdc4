"""The errors that pvhdbg reports in one line. Any other exception is a bug in pvhdbg and is shown as a traceback.

    PvhdbgError                     one line, and an optional hint
    ├── UserError            2      a problem with the command line or a file
    ├── GuestError           1      a problem with the guest or its kernel file
    ├── MachineError         3      a problem with this host: QEMU or gdb is missing, too old, or fails to start
    └── TargetError          1      a stopped machine can't answer a question
        ├── MemoryUnreadable
        ├── RegisterUnavailable
        ├── SymbolMissing
        └── NotConnected            the machine is gone, or the gdb connected to it

The number is the exit status. A problem with the boot data that the VMM passed is not an error but a finding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class PvhdbgError(Exception):
    """An error that is shown to the user in one line.

    `hint` is shown as a second line and explains how to fix the error. If there are several independent errors, `more`
    has the others, which are shown in the same way.
    """

    exit_status = 1

    def __init__(self, message: str, hint: str | None = None, more: Sequence[PvhdbgError] = ()) -> None:
        super().__init__(message)
        self.hint = hint
        self.more = tuple(more)


class UserError(PvhdbgError):
    exit_status = 2


class GuestError(PvhdbgError):
    exit_status = 1


class MachineError(PvhdbgError):
    exit_status = 3


class TargetError(PvhdbgError):
    """A stopped machine can't answer a question."""


class MemoryUnreadable(TargetError):
    """Guest memory that cannot be read or written. The message is `reason`, then the size and the address."""

    def __init__(self, paddr: int, size: int, reason: str = "unreadable") -> None:
        super().__init__(f"{reason}: {size} bytes at {paddr:#x}")
        self.paddr = paddr
        self.size = size


class RegisterUnavailable(TargetError):
    def __init__(self, name: str, reason: str) -> None:
        super().__init__(reason)
        self.name = name


class SymbolMissing(TargetError):
    def __init__(self, name: str, reason: str = "") -> None:
        super().__init__(f"no symbol {name}" + (f": {reason}" if reason else ""))
        self.name = name


class NotConnected(TargetError):
    """The machine, or the gdb that is connected to it, is gone."""
