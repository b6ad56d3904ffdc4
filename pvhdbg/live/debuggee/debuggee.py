"""What an interactive session does to a machine: run, step, set breakpoints, restart. Each step is synchronous."""

from __future__ import annotations

import os
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING

from pvhdbg.abi.cpu import CR0_PG
from pvhdbg.abi.text import printable
from pvhdbg.boot.session.live import RESTART
from pvhdbg.boot.stop import stages
from pvhdbg.errors import TargetError, UserError
from pvhdbg.live.debuggee.machine_session import MachineSession
from pvhdbg.live.gdb import breakpoints, console, steps
from pvhdbg.named_tuple import NamedTuple
from pvhdbg.target.base import ELSEWHERE, HIT, INTERRUPTED, TIMEOUT, Halt
from pvhdbg.target.mi.client import MiError, console_command, quote

if TYPE_CHECKING:
    from collections.abc import Callable

    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.image.load import Kernel
    from pvhdbg.live.debuggee.code import Bytes, Code
    from pvhdbg.live.debuggee.code_reader import CodeReader
    from pvhdbg.live.debuggee.gdb_machine import GdbMachine
    from pvhdbg.live.debuggee.own_machine import OwnMachine
    from pvhdbg.live.gdb.breakpoints import Breakpoints, Line
    from pvhdbg.live.qemu.end_detection import EndDetector
    from pvhdbg.target.mi.client import Stop

_STEP = "a step"
_ENDS_WITHIN = 5.0


class Position(NamedTuple):
    """Where the machine stopped.

    `stage` is None between stages. `halt` is what stopped the machine or, if its kind is DIED, how the guest died.
    `symbol` names the code at RIP. `capture` is what was captured there. `remark` is a line for the user, or empty: why
    a stage was not reached, or what was done without running the guest.
    """

    stage: str | None
    halt: Halt
    symbol: str | None
    capture: Capture
    remark: str = ""


class Debuggee(MachineSession):
    """A MachineSession with gdb: it runs, steps and restarts the machine. `restart` replaces the session."""

    machine: GdbMachine
    _has_symbols = False

    def _begin(self) -> None:
        self._code_passed: dict[str, Bytes] = {}
        self._file_stamp = _stamp(self.kernel)
        super()._begin()

    def _debugger(self) -> Callable[[str], int]:
        from pvhdbg.live.debuggee import gdb_expression

        return lambda text: gdb_expression.evaluate(self.machine.gdb, text)

    @property
    def has_symbols(self) -> bool:
        """Whether gdb has the symbols of the kernel in memory."""
        return self._has_symbols and self.journey.kernel_mismatch is None

    def restart(self) -> None:
        """Start a new QEMU, stopped at its reset vector. gdb keeps its breakpoints, and an open recording stays open.

        :raise UserError: if pvhdbg did not start this machine, or the kernel file has changed.
        :raise PvhdbgError: if QEMU can't start.
        """
        machine = self._own_machine()
        if self.options is None or machine is None:
            raise UserError("can't restart this machine: pvhdbg did not start it", "restart QEMU and attach again")
        if _stamp(self.kernel) != self._file_stamp:
            raise UserError("the kernel file has changed", "restart pvhdbg to reload the file")
        machine.boot(self.options, machine.target.symbols)
        machine.wait_ready()
        opened = self.session.opened
        self._begin()
        self.session.open(opened.document() if opened else None)

    def take_over(self) -> None:
        """Let gdb take the machine over, if QEMU's stub was asked directly so far. All captures stay.

        :raise MachineError: if gdb can't start on this computer.
        """
        if self.machine.take_over():
            target = self.machine.target
            self.journey.use(target, self.machine.runner, target.physical_reads)
            self._detect_ends()

    def kill(self) -> None:
        """End QEMU, but not gdb.

        :raise UserError: if pvhdbg did not start this machine.
        """
        if self.machine.qemu is None:
            raise UserError(
                "can't kill this machine: pvhdbg did not start it", "use `quit` to leave it as pvhdbg found it"
            )
        self.machine.qemu.kill()
        self.machine.qemu.death(_ENDS_WITHIN)

    def to_first_stop(self) -> Position:
        """Run to `prepare` or, if the kernel has no such stage, to the entry.

        A machine that pvhdbg did not start stays where it is.
        """
        return self.to_stage(stages.FIRST_STOP) if self.is_own_machine else self.position()

    def to_stage(self, name: str) -> Position:
        """Run to a stage, or as far as the guest gets."""
        halt = None
        for halt in self.journey.go(name, self.timeout):
            if halt.kind == HIT and self.journey.reached not in (None, name):
                capture = self.journey.history[-1]
                with suppress(TargetError):
                    self._code_passed[capture.stage] = self._code_reader().read(capture.cpu_mode)
        if halt is not None and halt.kind == TIMEOUT and halt.message:
            self.session.note_early_end(halt)
        return self.position(halt)._replace(remark=self._missed_stage(halt))

    def next_stage(self) -> Position:
        """Run to the next stage.

        :raise PvhdbgError: if no stages are left, or the guest is dead.
        """
        self.refuse_if_dead()
        hint = "press F5 to continue" + (", F4 to restart the guest" if self.is_own_machine else "")
        return self.to_stage(self.session.stage_ahead(hint))

    def _missed_stage(self, halt: Halt | None) -> str:
        """Return why the guest did not reach the stage; empty if it reached the stage or died."""
        if halt is None or halt.kind not in (TIMEOUT, INTERRUPTED, ELSEWHERE):
            return ""
        ahead = self.journey.stages_ahead()
        stage = f"stage {ahead[0].name}" if ahead else "the stage"
        if halt.kind == TIMEOUT and not halt.message:
            return f"timed out after {self.timeout:g} s waiting for {stage}"
        return f"{'interrupted' if halt.kind == INTERRUPTED else halt.message} on the way to {stage}"

    def code_at_rip(self, mode: str) -> Code:
        """Return the code at RIP. `mode` is the CPU mode."""
        return self._code_reader().at_rip(mode)

    def code_at_passed_stages(self) -> dict[str, Code]:
        """Return the code at each stage that the guest passed on the way to another stage, by stage name."""
        reader = self._code_reader()
        codes = {stage: reader.decode(code) for stage, code in self._code_passed.items()}
        return {stage: code for stage, code in codes.items() if code.lines}

    def _code_reader(self) -> CodeReader:
        from pvhdbg.live.debuggee.code_reader import CodeReader

        return CodeReader(self.machine, self.image, self.symbols, self.has_symbols, self.name_of, self._map_symbols)

    def _map_symbols(self) -> None:
        """If RIP is a physical address in the kernel, let gdb find symbols and lines at physical addresses too."""
        if self.has_symbols and self.symbols and self.machine.is_with_gdb:
            rip = self.machine.target.register("rip")
            self.machine.physical_symbols.load(self.machine.gdb, self.image, self.symbols.path, rip)

    def _unmap_symbols(self) -> None:
        """If RIP is a link address again, remove the symbols at physical addresses: each breakpoint has one place."""
        image = self.image if self.machine.physical_symbols.loaded else None
        if image and image.to_vaddr(self.machine.target.register("rip")) is None:
            self.machine.physical_symbols.remove(self.machine.gdb)

    def resume(self, verb: str) -> Position:
        """Run `continue`, `next`, `step`, `finish` or `stepi`: by source line if gdb knows it, else by instruction.

        :raise GuestError: if the guest is dead.
        """
        from pvhdbg.live.debuggee import repeated

        self.refuse_if_dead()
        self._map_symbols()
        has_line = verb in ("continue", "finish") or "line" in self._code_reader().frame()
        table = steps.BY_LINE if has_line and verb in steps.BY_LINE else steps.BY_INSTRUCTION
        if table is steps.BY_INSTRUCTION and (end := repeated.end(self.journey)) is not None:
            return self.position(self.machine.runner.run_to([end], self.timeout))
        detector, rip = self.end_detector(), self.machine.target.register("rip")
        with self.machine.runner.break_on_reset():
            for _ in range(steps.MOST_INLINED if table[verb] == steps.STEP_BY_LINE else 1):
                self.machine.gdb.ask(table[verb])
                self._wait_stop(detector)
                if not self._is_stepped() or self.machine.target.register("rip") != rip:
                    break
        return self.position()

    def _is_stepped(self) -> bool:
        """Return whether the guest stopped after a step, and not for another reason."""
        stop = self._last_stop
        return self.machine.runner.death() is None and stop is not None and stop.reason == steps.STEPPED

    def _wait_stop(self, detector: EndDetector | None) -> None:
        """Wait until the guest stops. If it panics, halts or leaves its code, stop it and store how it ended."""
        ended = self.machine.wait_stop(detector)
        if detector is not None and self.machine.runner.death() is None:
            self.session.note_end(ended, detector.seconds)

    @property
    def times_back(self) -> int:
        """How often the machine went back."""
        return 0

    def keep_snapshot(self) -> None:
        """Take a snapshot of the machine, to go back to it later. This one takes none: pvhdbg did not start it."""

    def back(self, where: str | None) -> Position:  # noqa: ARG002  for the subclass
        """Go back to the last captured stage before here, or to `where`: a stage, or the last store to a field.

        :raise UserError: if there is no way back.
        """
        raise UserError("can't go back: pvhdbg did not start this machine", "start it with `pvhdbg KERNEL`")

    def step_back(self, *, by_repetition: bool = False) -> Position:  # noqa: ARG002  for the subclass
        """Go back by one instruction, or by one repetition of it.

        :raise PvhdbgError: if there is no way back.
        """
        return self.back(None)

    def continue_back(self) -> Position:
        """Go back to the last hit of a breakpoint or watchpoint.

        :raise PvhdbgError: if there is no way back.
        """
        return self.back(None)

    def toggle_breakpoint(self, place: int | Line | None) -> Position:
        """Set a hardware breakpoint at an address or a source line (None: at RIP), or delete the breakpoints there.

        The position's remark says which of the two was done.
        """
        self._map_symbols()
        self._unmap_symbols()
        at = self.machine.target.register("rip") if place is None else place
        done = breakpoints.toggle(self.machine.gdb, at)
        where = f"{at:#x} {self.name_of(at) or ''}" if isinstance(at, int) else f"{printable(at[0])}:{at[1]}"
        return self.position()._replace(remark=f"{done} at {where.rstrip()}")

    def interrupt(self) -> None:
        """Stop the guest if it runs, otherwise `who` or gdb's current command.

        Any thread may call this. It returns at once.
        """
        if (stop_observing := self.stop_observing) is not None:
            stop_observing()
            return
        if self.is_running:
            self.machine.runner.interrupt()
        elif self.machine.is_with_gdb:
            self.machine.gdb.interrupt_command()

    @property
    def is_running(self) -> bool:
        """Whether the guest runs."""
        return self.machine.runner.is_running

    def console(self, line: str, more: Callable[[], str | None]) -> Position:
        """Run a gdb command, and wait for the guest to stop if it resumed. Output and errors go to `gdb.on_text` only.

        `more` returns the next line of a multi-line command, or None to cancel it.

        :raise GuestError: if the command resumes a dead guest.
        """
        is_dead = self.machine.runner.death() is not None
        if not is_dead:
            self._map_symbols()
            self._unmap_symbols()
        if is_dead and console.resumes(line):
            self.refuse_if_dead()
        detector = None if is_dead else self.end_detector()
        known = breakpoints.read(self.machine.gdb) if console.sets_breakpoint(line) else None
        with self.machine.runner.break_on_reset() if console.resumes(line) else nullcontext():
            with suppress(MiError):
                console.run(self.machine.gdb, line, more)
            if known is not None:
                self.journey.news += self._too_high(known)
            if is_dead and self.machine.gdb.running:
                self._revive()
                self.refuse_if_dead()
            self._wait_stop(detector)
        return self.position()

    def _too_high(self, known: Breakpoints) -> list[str]:
        """Return a remark for each new breakpoint at a link address that the CPU does not use before paging."""
        if self.image is None or self.machine.target.register("cr0") & CR0_PG:
            return []
        return breakpoints.too_high(self.machine.gdb, known, self.image.to_paddr)

    def refuse_if_dead(self) -> None:
        """Refuse to resume a dead guest, because QEMU would hang.

        :raise GuestError: if the guest is dead.
        """
        if (death := self.machine.runner.death()) is not None:
            self.session.record_death(death)
            self.session.refuse_if_dead("press F4 or type `run` to restart it" if self.is_own_machine else RESTART)

    def position(self, halt: Halt | None = None) -> Position:
        """Capture the machine as it is. `halt` is what stopped it, if the caller knows."""
        self.journey.news += self.machine.runner.take_remarks()
        death = self.machine.runner.death()
        if death is not None:
            self.session.record_death(death)
            if self.session.outcome.watched is not None and self.session.outcome.died is not None:
                death = death._replace(message=self.session.outcome.died.message)
            self._drop_symbols()
            symbol = None if death.rip is None else self.name_of(death.rip)
            return Position(None, death, symbol, self.journey.history[-1])
        return self._position_at(self.session.capture_now(), halt)

    def _position_at(self, capture: Capture, halt: Halt | None = None) -> Position:
        """Return the position of a machine that was captured as it is."""
        rip = self.machine.target.register("rip")
        self._drop_symbols()
        stage = self.journey.stage_at(rip)
        if halt is None or halt.rip != rip:
            halt = Halt(HIT, rip) if stage else Halt(ELSEWHERE, rip, message=breakpoints.stop_reason(self._last_stop))
        function = stage.symbol if stage is not None and not stage.returns else None
        return Position(stage.name if stage else None, self._with_cpu(halt), function or self.name_of(rip), capture)

    @property
    def _last_stop(self) -> Stop | None:
        """What gdb reported about the last stop; None if gdb has not seen one."""
        return self.machine.gdb.last_stop if self.machine.is_with_gdb else None

    def _with_cpu(self, halt: Halt) -> Halt:
        """Add a remark if a CPU other than the boot CPU stopped, because RIP is the boot CPU's."""
        stop = self._last_stop
        words = halt.message or (_STEP if stop and stop.reason == steps.STEPPED else "")
        if not words or stop is None or stop.thread in (None, self.machine.target.boot_cpu):
            return halt
        return halt._replace(message=f"{words} on another CPU")

    def load_symbols(self) -> None:
        """Load the kernel's symbols into gdb. This takes a second for half a gigabyte.

        The path of the teaching guest's source is mapped to the installed one.

        :raise TargetError: with gdb's own message.
        """
        from pvhdbg import guest

        if not self.symbols:
            return
        gdb = self.machine.gdb
        gdb.ask(console_command(f"set substitute-path {guest.COMPILED_IN} {quote(str(guest.SOURCE))}"))
        offset = f"-o {self.image.moved_by:#x} " if self.image and self.image.moved_by else ""
        gdb.ask(f"-file-symbol-file {offset}{quote(self.symbols.path)}", None)
        self._has_symbols = True

    def _drop_symbols(self) -> None:
        """Remove the symbols from gdb if another kernel is in memory. gdb would show wrong names for addresses."""
        if self._has_symbols and self.journey.kernel_mismatch is not None:
            self._has_symbols = False
            self.machine.physical_symbols.remove(self.machine.gdb)
            self.machine.gdb.ask("-file-symbol-file")

    def load_script(self) -> None:
        """Load pvh.py into gdb: `pvh …` with its help and completion, `$pvh_…()`, and the pretty-printers.

        :raise PvhdbgError: if gdb has no Python, or its Python is too old.
        """
        from pvhdbg.live.gdb import script

        script.load(self.machine.gdb)

    def _own_machine(self) -> OwnMachine | None:
        from pvhdbg.live.debuggee.own_machine import OwnMachine

        return self.machine if isinstance(self.machine, OwnMachine) else None

    def _revive(self) -> None:
        """Recover the registers of a dead guest that a command resumed, although `console.resumes` does not list it."""
        if (machine := self._own_machine()) is not None:
            machine.revive()

    def lacking(self) -> dict[str, str]:
        """Return the stages that this guest does not have, with the reasons."""
        reasons = {stage.name: self.journey.why_lacking(stage) for stage in stages.of(self.image)}
        return {name: why for name, why in reasons.items() if why is not None}


def _stamp(kernel: Kernel | None) -> tuple[int, ...]:
    """Return numbers that change when the kernel file does; empty without a file."""
    with suppress(OSError):
        status = os.stat(kernel.facts.elf if kernel else "")  # noqa: PTH116  no Path is needed
        return status.st_ino, status.st_mtime_ns, status.st_size
    return ()
