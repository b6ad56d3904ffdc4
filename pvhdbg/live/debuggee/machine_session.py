"""A machine, the kernel that it boots, and the session that answers commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.boot.run.entry_changes import NO_CHANGES, EntryChanges
from pvhdbg.boot.run.journey import Journey
from pvhdbg.boot.session.live import LiveSession
from pvhdbg.boot.stop.address import symbol_at
from pvhdbg.boot.who.request import NOT_OURS
from pvhdbg.errors import UserError
from pvhdbg.live.debuggee import machine_facts
from pvhdbg.target import monitor
from pvhdbg.target.stub import StubRunner

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pvhdbg.boot.record.document import MachineFacts, Outcome
    from pvhdbg.boot.who.answer import WhoResult
    from pvhdbg.image.debug_info.symbols import Symbols
    from pvhdbg.image.facts import ImageFacts
    from pvhdbg.image.load import Kernel
    from pvhdbg.live.debuggee.machine import Machine
    from pvhdbg.live.qemu.end_detection import EndDetector
    from pvhdbg.live.qemu.options import QemuOptions


class MachineSession:
    """A machine and the kernel that it boots. `session` answers commands, and runs the guest from stage to stage.

    `kernel` is None if the user named no file. `options` is None for a machine that pvhdbg did not start. `timeout` is
    the limit for each stage, in seconds. `remarks` are lines for the user about the start. `changes` are made at the
    entry.
    """

    session: LiveSession
    observe: Callable[[MachineSession, str], WhoResult] | None = None
    """Answers `who` with another machine. The command that starts this machine sets it."""
    stop_observing: Callable[[], None] | None = None
    """Ends the other machine, while there is one, so that `who` fails. Any thread may call it."""

    def __init__(
        self,
        machine: Machine,
        kernel: Kernel | None,
        options: QemuOptions | None,
        timeout: float,
        remarks: Sequence[str] = (),
        changes: EntryChanges = NO_CHANGES,
    ) -> None:
        self.machine = machine
        self.kernel = kernel
        self.options = options
        self.timeout = timeout
        self.remarks = tuple(remarks)
        self.changes = changes
        self._begin()

    def _begin(self) -> None:
        """Start a new session, with an empty history."""
        self.session = LiveSession(
            self._new_journey(),
            self.machine_facts,
            disassembler=lambda address, count: monitor.disassemble(self.machine.target.monitor, address, count),
            debugger=self._debugger(),
            name_of=self.name_of,
            note=self.kernel.symbols_remark if self.kernel else None,
            serial=self._serial_output if self.is_own_machine else None,
            timeout=self.timeout,
            go_back=self._way_back(),
            observe=self._who,
        )
        self._detect_ends()

    def _detect_ends(self) -> None:
        """Let the runner end a run to a stage early if the guest has panicked or left its code."""
        runner, printed = self.machine.runner, 0

        def end_message() -> str:
            from pvhdbg.boot.run.ending import early_end_message

            nonlocal printed
            message, printed = early_end_message(self.journey, self._serial_output, printed)
            return message

        if isinstance(runner, StubRunner):
            runner.end_message = end_message

    def _who(self, text: str) -> WhoResult:
        if self.observe is None:
            raise UserError(NOT_OURS)
        return self.observe(self, text)

    def _debugger(self) -> Callable[[str], int] | None:
        """Return what evaluates an address that pvhdbg does not understand; None without gdb."""
        return None

    def _way_back(self) -> Callable[[str | None], str] | None:
        """Return what takes the machine back to a stage; None without snapshots."""
        return None

    def _new_journey(self) -> Journey:
        target = self.machine.target
        return Journey(
            target,
            self.machine.runner,
            self.kernel.facts if self.kernel else None,
            reading=target.physical_reads,
            changes=self.changes,
            name_of=self.name_of,
            trust_image=self.is_own_machine or target.physical_memory is None,
        )

    def watch(self, seconds: float, *, to_console: bool) -> Outcome:
        """Let the guest continue for up to `seconds`, and note why QEMU shuts down then. See `LiveSession.watch`."""
        if self.machine.qemu is not None:
            self.machine.qemu.note_shutdown()
        return self.session.watch(seconds, to_console=to_console)

    def end_detector(self) -> EndDetector | None:
        """Return a detector for the next run of the guest; None if pvhdbg did not start the machine."""
        from pvhdbg.boot.run.ending import panic_cpu
        from pvhdbg.live.qemu.end_detection import EndDetector

        qemu = self.machine.qemu
        return None if qemu is None else EndDetector(qemu, None if qemu.runs_xen else panic_cpu(self.journey))

    def machine_facts(self) -> MachineFacts:
        return machine_facts.read(self.options, self.machine)

    def _serial_output(self) -> bytes:
        return self.machine.qemu.serial.complete() if self.machine.qemu else b""

    @property
    def journey(self) -> Journey:
        return self.session.journey

    @property
    def is_own_machine(self) -> bool:
        """Whether pvhdbg started this machine."""
        return self.options is not None

    @property
    def image(self) -> ImageFacts | None:
        """The facts about the kernel file. None, like `symbols`, if another kernel is in memory."""
        return self.journey.image

    @property
    def symbols(self) -> Symbols | None:
        return self.kernel.symbols if self.kernel and self.journey.kernel_mismatch is None else None

    def name_of(self, address: int) -> str | None:
        return symbol_at(self.symbols.enclosing, self.image, address) if self.symbols else None

    def save_lookups(self) -> None:
        """Save where symbols of the kernel file were found, for the next run."""
        if self.kernel is not None and self.kernel.symbols.lookups is not None:
            self.kernel.symbols.lookups.save()
