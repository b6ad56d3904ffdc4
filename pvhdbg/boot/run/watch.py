"""Let the guest continue after the last stage, and find out how it ends."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

from pvhdbg.boot.record import document
from pvhdbg.boot.record.document import Outcome, Watched
from pvhdbg.boot.run import ending
from pvhdbg.boot.run.run_to_stage import death_outcome
from pvhdbg.boot.stop import stages
from pvhdbg.errors import SymbolMissing, TargetError
from pvhdbg.lazy_pattern import pattern
from pvhdbg.target.base import DIED, ELSEWHERE, HIT, INTERRUPTED, RESET, TIMEOUT, Halt
from pvhdbg.target.monitor import ENDED_ITSELF
from pvhdbg.target.stub import is_halted

if TYPE_CHECKING:
    from pvhdbg.boot.run.ending import NameOf, Serial
    from pvhdbg.boot.run.journey import Journey

_FIRST_SLICE, _LONGEST_SLICE = 0.05, 0.5
"""Seconds for which the guest runs before pvhdbg examines it: the first time, and at most."""
_LONGEST_FORMAT = 256
_ENDS = {DIED: document.DEAD, RESET: document.RESET}

_CONSOLE_INIT, _PRINTED = "console_init", "console_flush_on_panic"
"""Linux's functions: the one that starts the consoles, and the one that a panic calls when its text is in the log."""
_CONSOLE_TEXT = pattern(r"\bconsole \[\w+\] enabled")


def watch(journey: Journey, seconds: float, name_of: NameOf, serial: Serial, *, to_console: bool) -> Outcome:
    """Let the guest run for up to `seconds`, and return how the run then ended.

    With `to_console`, stop when Linux has started its console. `name_of` returns an address as symbol+offset. `serial`
    returns what the guest has written to its serial console. Ctrl-C ends the run, but not the program.

    :raise TargetError: if the guest stopped for another reason, such as a user's breakpoint.
    """
    try:
        return _Watch(journey, seconds, name_of, serial, to_console=to_console).run()
    except KeyboardInterrupt:
        return Outcome(journey.reached, document.INTERRUPTED)


class _Watch:
    """One run after the last stage, in slices: a guest that halts for good does not stop by itself."""

    def __init__(self, journey: Journey, seconds: float, name_of: NameOf, serial: Serial, *, to_console: bool) -> None:
        self._journey = journey
        self._name_of = name_of
        self._serial = serial
        self._panic = self._address_of(ending.PANIC_FUNCTION)
        self._console_init = self._address_of(_CONSOLE_INIT) if to_console else None
        self._console_return: int | None = None
        self._reads_console = to_console and self._console_init is None
        self._start = time.monotonic()
        self._deadline = self._start + seconds

    def _address_of(self, function: str) -> int | None:
        """Return the address of a function of Linux; None if the guest has no such symbol.

        The functions that pvhdbg waits for run after start_kernel, at the addresses that they are linked at.
        """
        try:
            self._journey.target.symbol("start_kernel")
            return self._journey.target.symbol(function)
        except SymbolMissing:
            return None

    def run(self) -> Outcome:
        length = _FIRST_SLICE
        while True:
            halt = self._run_slice(length)
            if halt.kind == INTERRUPTED:
                return Outcome(self._journey.reached, document.INTERRUPTED)
            if halt.kind == ELSEWHERE or (halt.rip is None and halt.kind == TIMEOUT):
                raise TargetError(f"the guest stopped while pvhdbg watched it: {halt.message}")
            ended = self._judge(halt)
            if ended is not None:
                return self._outcome(ended, halt)
            length = min(2 * length, _LONGEST_SLICE)

    def _run_slice(self, seconds: float) -> Halt:
        console = self._console_return or self._console_init
        addresses = [address for address in (self._panic, console) if address is not None]
        return self._journey.run_on(addresses, max(min(seconds, self._deadline - time.monotonic()), 0.0))

    def _judge(self, halt: Halt) -> str | None:
        """Return how the guest ended; None if it continues."""
        if self._has_panicked(halt):
            return document.PANICKED
        if halt.kind in _ENDS:
            return document.HALTED if halt.message in ENDED_ITSELF else _ENDS[halt.kind]
        if self._has_console(halt):
            return document.CONSOLE
        if halt.kind == HIT:
            self._console_return = self._journey.addresses().return_address()
            return None
        return self._hopeless() or (document.TIME if time.monotonic() >= self._deadline else None)

    def _hopeless(self) -> str | None:
        """Return how the guest ended if it has not stopped, but will not do anything any more; None if it may."""
        if is_halted(self._journey.target):
            return document.HALTED
        return document.RUNAWAY if ending.is_runaway(self._journey) else None

    def _has_panicked(self, halt: Halt) -> bool:
        """Return whether Linux has panicked. Without symbols, only its console shows that."""
        if self._panic is not None:
            return halt.kind == HIT and halt.rip == self._panic
        return ending.panic_text(self._output()) is not None

    def _has_console(self, halt: Halt) -> bool:
        """Return whether Linux has started its console. Without symbols, only the console shows that."""
        if self._reads_console:
            return any(map(_CONSOLE_TEXT.search, self._output()))
        return halt.kind == HIT and halt.rip == self._console_return

    def _outcome(self, ended: str, halt: Halt) -> Outcome:
        seconds = time.monotonic() - self._start
        watched = Watched(ended, round(seconds * 1000), halt.rip, self._name(halt.rip), halt.message)
        if ended == document.PANICKED:
            watched = self._panicked(watched, halt)
        outcome = Outcome(self._journey.reached, document.DONE)
        if ended == document.DEAD:
            self._journey.capture_at(stages.DIED)
            outcome = death_outcome(self._journey, halt, self._name_of)
        if halt.rip is None:
            return outcome._replace(watched=watched._replace(serial=ending.last_lines(self._output())))
        return outcome._replace(watched=ending.with_last_lines(watched, self._journey, self._serial))

    def _panicked(self, watched: Watched, halt: Halt) -> Watched:
        """Return where and why Linux panicked. If it has symbols, it is at the first instruction of `panic`."""
        caller, text = None, ""
        if halt.kind == HIT:
            with suppress(TargetError):  # damaged page tables may be the reason for the panic
                caller = self._journey.addresses().return_address()
                text = self._format()
            self._let_it_print()
        return ending.with_panic(watched, self._journey, self._name_of, self._serial, caller, text)

    def _format(self) -> str:
        """Return the first argument of panic, a format string."""
        is_32bit = self._journey.image is not None and self._journey.image.elf_class == 32
        target, addresses = self._journey.target, self._journey.addresses()
        if is_32bit:  # a function with a variable number of arguments gets them on the stack
            slot = addresses.physical(target.register("rsp") + 4)
            vaddr = int.from_bytes(target.read_phys(slot, 4), "little")
        else:
            vaddr = target.register("rdi")
        size = min(_LONGEST_FORMAT, 0x1000 - vaddr % 0x1000)
        raw = target.read_phys(addresses.physical(vaddr), size)
        return raw.partition(b"\0")[0].decode("latin-1").strip()

    def _let_it_print(self) -> None:
        """Let the guest run until the text of its panic is in the log, and then until its console is quiet."""
        deadline = time.monotonic() + ending.PANIC_PRINTS_WITHIN
        printed = self._address_of(_PRINTED)
        halt = self._journey.run_on([] if printed is None else [printed], ending.PANIC_PRINTS_WITHIN)
        before = -1
        while halt.kind in (HIT, TIMEOUT) and len(self._serial()) != before and time.monotonic() < deadline:
            before = len(self._serial())
            halt = self._journey.run_on([], ending.QUIET)

    def _output(self) -> list[str]:
        """Return the last lines that the guest has written to its serial console, in latin-1."""
        return ending.output_lines(self._serial())

    def _name(self, address: int | None) -> str | None:
        return None if address is None else self._name_of(address)
