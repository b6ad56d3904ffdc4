"""Keep a SIGINT from gdb while it disassembles: gdb 13 would abort.

Its functions that read memory for the disassembler must not throw, but a SIGINT makes them throw. gdb 16 takes the
SIGINT for an error of the memory.
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from gdb.disassembler import Disassembler, builtin_disassemble, register_disassembler

if TYPE_CHECKING:
    from gdb.disassembler import DisassembleInfo, DisassemblerResult


class _Uninterrupted(Disassembler):
    """gdb's own disassembler. A SIGINT during an instruction arrives after it."""

    def __init__(self) -> None:
        super().__init__("pvhdbg")

    def __call__(self, info: DisassembleInfo) -> DisassemblerResult:
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            return builtin_disassemble(info)  # type: ignore[return-value, func-returns-value]  # the stubs are wrong
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def register() -> None:
    """Register the disassembler for all architectures. A disassembler of the user stays in use."""
    others = register_disassembler(_Uninterrupted())  # type: ignore[arg-type]  # the stubs are wrong: not a class
    if others is not None:
        register_disassembler(others)
