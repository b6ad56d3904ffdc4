"""What can go wrong that is not a bug of pvhdbg.

    PvhdbgError                     one line, and a hint where there is one
    ├── UserError            2      the call or a file is at fault
    ├── GuestError           1      the guest or its image is at fault
    ├── MachineError         3      this machine is: QEMU or gdb missing, too old, dying early
    └── TargetError          1      a question to a stopped machine has no answer
        ├── MemoryUnreadable
        ├── RegisterUnavailable
        ├── SymbolMissing
        └── NotConnected            the machine or its gdb is gone

The number is the exit status by contract. Findings about a guest are never errors: they are values.
"""

from __future__ import annotations


class PvhdbgError(Exception):
    """An error that a user is shown as one line.

    `hint` is a second line: what to do about it.
    """

    exit_status = 1

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class UserError(PvhdbgError):
    exit_status = 2


class GuestError(PvhdbgError):
    exit_status = 1


class MachineError(PvhdbgError):
    exit_status = 3


class TargetError(PvhdbgError):
    """A question to a stopped machine that has no answer there."""


class MemoryUnreadable(TargetError):
    def __init__(self, paddr: int, size: int, reason: str = "unreadable") -> None:
        super().__init__(f"{reason}: {size} bytes at {paddr:#x}")
        self.paddr = paddr
        self.size = size


class RegisterUnavailable(TargetError):
    def __init__(self, name: str, reason: str) -> None:
        super().__init__(reason)
        self.name = name


class SymbolMissing(TargetError):
    def __init__(self, name: str, why: str = "") -> None:
        super().__init__(f"no symbol {name}" + (f": {why}" if why else ""))
        self.name = name


class NotConnected(TargetError):
    """The machine, or the gdb between it and us, has gone."""
