"""A machine on the bench: what an interactive session does to it, each in one synchronous step."""

from __future__ import annotations

import os
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING, NamedTuple

from pvhdbg.abi.text import printable
from pvhdbg.boot.run.journey import Journey
from pvhdbg.boot.stop import stages
from pvhdbg.boot.stop.address import symbol_at
from pvhdbg.errors import UserError
from pvhdbg.live.gdb import breakpoints, console
from pvhdbg.target.base import ELSEWHERE, HIT, INTERRUPTED, TIMEOUT, Halt
from pvhdbg.target.mi import MiError, console_command, quote

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pvhdbg.boot.lab.rewrite import Change
    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.image.facts import ImageFacts
    from pvhdbg.image.load import Kernel
    from pvhdbg.image.symbols import Symbols
    from pvhdbg.live.debuggee.code import Code
    from pvhdbg.live.debuggee.machine import Machine
    from pvhdbg.live.debuggee.own_machine import OwnMachine
    from pvhdbg.live.gdb.breakpoints import Line
    from pvhdbg.live.qemu.options import QemuOptions
    from pvhdbg.target.mi import Stop

_BY_LINE = {"next": "-exec-next", "step": "-exec-step", "finish": "-exec-finish", "continue": "-exec-continue"}
_BY_INSTRUCTION = {
    "next": "-exec-next-instruction",
    "step": "-exec-step-instruction",
    "stepi": "-exec-step-instruction",
}
_REASONS = {
    "watchpoint-trigger": "a watchpoint",
    "read-watchpoint-trigger": "a watchpoint",
    "access-watchpoint-trigger": "a watchpoint",
    "location-reached": "the location",
    "function-finished": "the function's return",
}
_STEPPED, _STEP = "end-stepping-range", "a step"
_ENDS_WITHIN = 5.0
_NOT_OURS = "F4 and `run` are for a machine that pvhdbg has started"


class Position(NamedTuple):
    """Where the machine stands: a stage's name if it is at one, what stopped it, and the code there by name.

    `halt` of kind DIED says how it died. `capture` is what is there now. `remark` is why it did not come as far as it
    should have, or what was done without running; empty if there is nothing to say.
    """

    stage: str | None
    halt: Halt
    symbol: str | None
    capture: Capture
    remark: str = ""


class Debuggee:
    """One machine. `timeout` is how long a stage may take to come, in seconds.

    `kernel` is null where nobody said which it is; `options` is null where the machine is not ours.
    """

    def __init__(
        self,
        machine: Machine,
        kernel: Kernel | None,
        options: QemuOptions | None,
        timeout: float,
        remarks: Sequence[str] = (),
        changes: Sequence[Change] = (),
    ) -> None:
        self.machine = machine
        self.kernel = kernel
        self.options = options
        self.timeout = timeout
        self.remarks = tuple(remarks)
        self._changes = changes
        self._passed: dict[str, Callable[[], Code]] = {}
        self._file = _stamp(kernel)
        self._has_symbols = False
        self.journey = self._journey()

    def restart(self) -> None:
        """A fresh machine at its reset vector; what gdb knows stays.

        :raise UserError: if the machine is not ours.
        :raise PvhdbgError: if it can't start.
        """
        machine = self._own_machine()
        if self.options is None or machine is None:
            raise UserError("this machine is not ours: it can't be started again", _NOT_OURS)
        if _stamp(self.kernel) != self._file:
            raise UserError("the kernel's file has changed since", "leave pvhdbg and start it again: it reads it anew")
        machine.boot(self.options, machine.target.symbols)
        machine.wait_ready()
        self.journey = self._journey()
        self._passed = {}

    def kill(self) -> None:
        """End the machine; the session stays.

        :raise UserError: if the machine is not ours.
        """
        if self.machine.qemu is None:
            raise UserError("this machine is not ours to kill", "`quit` leaves it as it was found")
        self.machine.qemu.kill()
        self.machine.qemu.death(_ENDS_WITHIN)

    def to_first_stop(self) -> Position:
        """To `prepare`, the entry being captured on the way; to the entry where there is no `prepare`. A machine that
        is not ours stays where it is.
        """
        return self.position() if self.options is None else self.to_stage(stages.FIRST_STOP)

    @property
    def is_ours(self) -> bool:
        return self.options is not None

    @property
    def image(self) -> ImageFacts | None:
        """Null, as the symbols are, where another kernel turned out to be there."""
        return self.journey.image

    @property
    def symbols(self) -> Symbols | None:
        return self.kernel.symbols if self.kernel and self.journey.kernel_mismatch is None else None

    def to_stage(self, name: str) -> Position:
        """Run to a stage, or as far as the guest comes."""
        halt = None
        for halt in self.journey.go(name, self.timeout):
            if halt.kind == HIT and self.journey.reached not in (None, name):
                self._pass(self.journey.history[-1])
        return self.position(halt)._replace(remark=self._remark(halt))

    def _pass(self, seen: Capture) -> None:
        """Who passes a stage without a stop may look back at it."""
        from pvhdbg.live.debuggee import code

        self._passed[seen.stage] = code.ahead(self, seen.cpu_mode)

    def passed(self) -> dict[str, Code]:
        """The code at the stages that were passed on the way to another, by name."""
        found = {stage: answer() for stage, answer in self._passed.items()}
        return {stage: code for stage, code in found.items() if code.lines}

    def next_stage(self) -> Position:
        """:raise UserError: after the last one."""
        ahead = self.journey.ahead()
        self.refuse_if_dead()
        self.journey.refuse_kernel_mismatch()
        if not ahead:
            hint = "F5 lets the guest run on" + (", F4 starts it again" if self.is_ours else "")
            why = f": {self.kernel.symbols_remark}" if self.kernel and self.kernel.symbols_remark else ""
            words = "the stages that are left were passed" if self.journey.passed else f"this was the last stage{why}"
            raise UserError(words, hint)
        return self.to_stage(ahead[0].name)

    def _remark(self, halt: Halt | None) -> str:
        """Why a stage did not come."""
        ahead = self.journey.ahead()
        awaited = f"stage {ahead[0].name}" if ahead else "the stage"
        if halt is None or halt.kind not in (TIMEOUT, INTERRUPTED, ELSEWHERE):
            return ""
        if halt.kind == TIMEOUT:
            return halt.message or f"{awaited} did not come within {self.timeout:g} s"
        return f"on the way to {awaited}: {'interrupted' if halt.kind == INTERRUPTED else halt.message}"

    def resume(self, verb: str) -> Position:
        """`continue`, `next`, `step`, `finish` by source lines where there are any, else by instructions; `stepi`.

        :raise UserError: if the guest is dead.
        """
        self.refuse_if_dead()
        table = _BY_LINE if verb in ("continue", "finish") or self._has_line() else _BY_INSTRUCTION
        with self.machine.runner.break_on_reset():
            self.machine.gdb.ask((table if verb in table else _BY_INSTRUCTION)[verb])
            self.machine.gdb.wait_stop(None)
        return self.position()

    def toggle_breakpoint(self, place: int | Line | None) -> Position:
        """Set a hardware breakpoint at an address or a line of source, null for RIP, or delete those that are there.

        The position's remark says which.
        """
        at = self.machine.target.register("rip") if place is None else place
        done = breakpoints.toggle(self.machine.gdb, at)
        where = f"{at:#x} {self.name_of(at) or ''}" if isinstance(at, int) else f"{printable(at[0])}:{at[1]}"
        return self.position()._replace(remark=f"{done} at {where.rstrip()}")

    def interrupt(self) -> None:
        """Stop the guest if it runs, else what gdb is busy with. From any thread; returns at once."""
        if self.machine.gdb.running:
            self.machine.runner.interrupt()
        else:
            self.machine.gdb.process.interrupt()

    def console(self, line: str, more: Callable[[], str | None]) -> Position:
        """Run a line of gdb's, and wait until a guest that it let run has stopped. What it says, errors too, goes to
        `gdb.on_text` alone.

        :raise UserError: if it resumes a dead guest.
        """
        dead = self.machine.runner.death() is not None
        if dead and console.resumes(line):
            self.refuse_if_dead()
        with self.machine.runner.break_on_reset() if console.resumes(line) else nullcontext():
            with suppress(MiError):
                console.run(self.machine.gdb, line, more)
            if dead and self.machine.gdb.running:
                self._revive()
                self.refuse_if_dead()
            self.machine.gdb.wait_stop(None)
        return self.position()

    def position(self, halt: Halt | None = None) -> Position:
        """Look at the machine as it stands."""
        death = self.machine.runner.death()
        if death is not None:
            return self._dead(death)
        rip = self.machine.target.register("rip")
        capture = self.journey.capture_now()
        self._drop_symbols()
        stage = self.journey.stage_at(rip)
        if halt is None or halt.rip != rip:
            halt = Halt(HIT, rip) if stage else Halt(ELSEWHERE, rip, message=_reason(self.machine.gdb.last_stop))
        at_function = stage is not None and not stage.returns and stage.symbol
        name = at_function or self.name_of(rip)
        return Position(stage.name if stage else None, self._with_cpu(halt), name, capture)

    def _with_cpu(self, halt: Halt) -> Halt:
        """RIP is the boot CPU's: of a stop on another one that is said."""
        stop = self.machine.gdb.last_stop
        words = halt.message or (_STEP if stop and stop.reason == _STEPPED else "")
        if not words or stop is None or stop.thread in (None, self.machine.target.boot_cpu):
            return halt
        return halt._replace(message=f"{words} on another CPU")

    def refuse_if_dead(self) -> None:
        """:raise UserError: a machine that has died hangs for ever if it is resumed."""
        death = self.machine.runner.death()
        if death is not None:
            hint = "F4 does, and `run`" if self.is_ours else None
            raise UserError(f"the guest is dead ({death.how}): it can only be started again", hint)

    def load_symbols(self) -> None:
        """Let gdb read the kernel's symbols: a second for half a gigabyte. The teaching guest's source is ours to show.

        :raise TargetError: with gdb's own words.
        """
        from pvhdbg import guest

        if not self.symbols:
            return
        gdb = self.machine.gdb
        gdb.ask(console_command(f"set substitute-path {guest.COMPILED_IN} {quote(str(guest.SOURCE))}"))
        gdb.ask(f"-file-symbol-file {quote(self.symbols.path)}", None)
        self._has_symbols = True

    @property
    def has_symbols(self) -> bool:
        """Whether gdb has the symbols of the kernel that is there."""
        return self._has_symbols and self.journey.kernel_mismatch is None

    def _drop_symbols(self) -> None:
        """Those of another kernel than the one that is there: gdb would name places by them."""
        if self._has_symbols and self.journey.kernel_mismatch is not None:
            self._has_symbols = False
            self.machine.gdb.ask("-file-symbol-file")

    def load_script(self) -> None:
        """Let gdb have `$pvh_…()`, the pretty-printers, and `pvh …` with its help and completion.

        :raise PvhdbgError: if it can't: some gdb has no Python, or too old a one.
        """
        from pvhdbg.live.gdb import script

        self.machine.gdb.ask(console_command(f"source {script.path()}"))

    def _own_machine(self) -> OwnMachine | None:
        from pvhdbg.live.debuggee.own_machine import OwnMachine

        return self.machine if isinstance(self.machine, OwnMachine) else None

    def _revive(self) -> None:
        """Something that is not a command of gdb's resumed a dead guest."""
        machine = self._own_machine()
        if machine is not None:
            machine.revive()

    def name_of(self, rip: int) -> str | None:
        return symbol_at(self.symbols.at, self.image, rip) if self.symbols else None

    def lacking(self) -> dict[str, str]:
        """The stages that this guest does not have, and why."""
        reasons = {each.name: self.journey.lacking(each) for each in stages.STAGES}
        return {name: why for name, why in reasons.items() if why is not None}

    def _journey(self) -> Journey:
        target = self.machine.target
        return Journey(
            target,
            self.machine.runner,
            self.kernel.facts if self.kernel else None,
            reading=target.physical,
            changes=self._changes,
            name_of=self.name_of,
            trust_image=self.is_ours or target.physical_memory is None,
        )

    def _dead(self, death: Halt) -> Position:
        history = self.journey.history
        if not history or history[-1].stage != stages.DIED:
            self.journey.capture_at(stages.DIED)
        symbol = None if death.rip is None else self.name_of(death.rip)
        return Position(None, death, symbol, history[-1])

    def _has_line(self) -> bool:
        """Whether gdb knows a source line for where it stands."""
        from pvhdbg.live.debuggee import code

        return "line" in code.frame(self)


def _stamp(kernel: Kernel | None) -> tuple[int, ...]:
    """What changes with a file's content; nothing where there is none."""
    with suppress(OSError):
        about = os.stat(kernel.facts.elf if kernel else "")  # noqa: PTH116  no Path is needed
        return about.st_ino, about.st_mtime_ns, about.st_size
    return ()


def _reason(stop: Stop | None) -> str:
    """What there is at the place where gdb says that it stopped, if it is anything but a step's end."""
    if stop is None:
        return ""
    return f"breakpoint {stop.breakpoint}" if stop.breakpoint else _REASONS.get(stop.reason, "")
