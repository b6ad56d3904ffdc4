"""The session with the machine that gdb is connected to, and the conversion of errors for gdb."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import gdb

from pvhdbg import commands
from pvhdbg.boot.record.document import MachineFacts
from pvhdbg.boot.run.journey import Journey
from pvhdbg.boot.session.expression import entry_at, not_an_integer
from pvhdbg.boot.session.live import LiveSession
from pvhdbg.boot.stop.address import symbol_at
from pvhdbg.boot.stop.kernel_probe import SymbolsAndStrings
from pvhdbg.errors import PvhdbgError, TargetError
from pvhdbg.in_gdb import kernel_files
from pvhdbg.in_gdb.kernel_files import Kernel, LoadedKernel
from pvhdbg.target import monitor
from pvhdbg.target.gdb_native import NativeTarget, as_target_error, boot_cpu, error_text
from pvhdbg.target.native_runner import NativeRunner

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pvhdbg.boot.lab.rewrite import EntryChange
    from pvhdbg.boot.record.document import Rewrite
    from pvhdbg.boot.session.protocol import Session
    from pvhdbg.boot.stop.capture import Capture

_SIZE = 1 << 64
_NOT_NUMBERS = (gdb.TYPE_CODE_STRUCT, gdb.TYPE_CODE_UNION, gdb.TYPE_CODE_ARRAY, gdb.TYPE_CODE_FUNC)


class _Changes:
    """Counts the events that may change the machine: it ran, or the user wrote to memory or to a register.

    gdb reports no event if a command of QEMU's monitor changes the machine.
    """

    def __init__(self) -> None:
        self.count = 0
        for event in (gdb.events.cont, gdb.events.memory_changed, gdb.events.register_changed):
            event.connect(self._note)

    def _note(self, _event: object) -> None:
        self.count += 1


class GdbSession(LiveSession):
    """A session with one machine. It lasts as long as gdb is connected to that machine.

    `boot_cpu` identifies the machine. The new session takes over the recording and the kernel file that the user opened
    in the session `before`.
    """

    _changes = _Changes()

    def __init__(self, boot_cpu: gdb.InferiorThread | None, before: GdbSession | None = None) -> None:
        self._captured_after = -1
        self.target = NativeTarget()
        self.runner = NativeRunner(self.target)
        self._boot_cpu = boot_cpu
        self._kernel = Kernel()
        self._named: Kernel = before._named if before else Kernel()  # noqa: SLF001  `before` has the same class
        super().__init__(
            self._new_journey(),
            self._read_machine_facts,
            disassembler=lambda address, count: monitor.disassemble(self.target.monitor, address, count),
            debugger=self._evaluate_in_gdb,
            name_of=self._name_at,
        )
        self._opened = before.opened if before else None

    def is_with(self, boot_cpu: gdb.InferiorThread | None) -> bool:
        """Return True for the session of this machine. Without a machine (None), the last session stays in use."""
        return boot_cpu is None or boot_cpu is self._boot_cpu

    def set_kernel(self, loaded: Kernel) -> None:
        """Use the kernel whose symbols gdb has loaded or, if it has no PVH entry, the kernel that the user named."""
        self._named = kernel_files.reload_if_changed(self._named)
        has_entry = loaded.facts is not None and loaded.facts.entry is not None
        kernel = loaded if has_entry or self._named.facts is None else self._named
        if kernel is not self._kernel:
            self._kernel = kernel
            self._captured_after = -1
            self._update_journey()

    def save_lookups(self) -> None:
        """Save where symbols of the kernel file were found, for the next gdb or pvhdbg."""
        if (symbols := self._kernel.symbols) is not None and symbols.lookups is not None:
            symbols.lookups.save()

    def _update_journey(self) -> None:
        facts, symbols, _ = self._kernel
        if symbols and facts:
            known = symbols.lookups if symbols.path == facts.elf else None
            self.target.symbols = SymbolsAndStrings(symbols, facts, known)
        else:
            self.target.symbols = symbols
        entry = self.journey.entry
        self.journey.set_image(facts)
        if self.journey.entry is None:
            self.journey.entry = entry

    def locate(self, where: str) -> None:
        if self._kernel is self._named:  # the user may name another kernel or entry
            self.journey.entry = entry_at(where, self.target)
        else:
            super().locate(where)
        with suppress(PvhdbgError):  # `where` is an address, not a file
            self._named = kernel_files.read_named(where)
            self.set_kernel(self._named)

    def current(self) -> Capture:
        with self.target.physical_reads():
            self._catch_up()
            return super().current()

    def capture_now(self) -> Capture:
        capture = super().capture_now()
        self._captured_after = self._changes.count
        return capture

    def _unchanged(self) -> Capture | None:
        return self._now if self._captured_after == self._changes.count else None

    def rewrite(self, change: EntryChange) -> Sequence[Rewrite]:
        self.current()
        return super().rewrite(change)

    def _read_machine_facts(self) -> MachineFacts:
        with suppress(TargetError):
            version, kvm = (self.target.monitor(f"info {what}") for what in ("version", "kvm"))
            return MachineFacts(qemu=monitor.parse_version(version), accel=monitor.parse_accelerator(kvm))
        return MachineFacts()

    def _evaluate_in_gdb(self, text: str) -> int:
        if self.image is not None and self.image.moved_by:
            raise TargetError("gdb may have the symbols of a relocated kernel at their link addresses")
        return _evaluate_in_gdb(text)

    def _new_journey(self) -> Journey:
        return Journey(self.target, self.runner, None, reading=self.target.physical_reads, name_of=self._name_at)

    def _catch_up(self) -> None:
        """Detect whether the guest died, or was started again, since the last command."""
        if boot_cpu() is None:
            return
        death = self.runner.death()
        if death is not None:
            self.record_death(death)
        elif self._is_dead:
            recorder, self.journey = self.journey.recorder, self._new_journey()
            self.journey.recorder = recorder
            self._outcome = None
            self._update_journey()

    def _name_at(self, address: int) -> str | None:
        symbols = self._kernel.symbols if self.journey.kernel_mismatch is None else None
        return symbol_at(symbols.enclosing, self.image, address) if symbols else None


class CurrentSession:
    """Provides the session with the machine that gdb is connected to. Each machine gets a new session."""

    def __init__(self) -> None:
        self._loaded = LoadedKernel()
        self._session = GdbSession(None)

    @property
    def session(self) -> GdbSession:
        machine = boot_cpu()
        if not self._session.is_with(machine):
            self._session = GdbSession(machine, self._session)
        self._session.set_kernel(self._loaded.kernel())
        return self._session

    @property
    def session_or_recording(self) -> Session:
        """The recording that the user opened or, without one, the session with the machine."""
        return self.session.opened or self.session

    def run(self, line: str) -> str:
        """Run a command. Return its output, preceded by any news about the machine.

        :raise gdb.GdbError: if the command fails.
        """
        with as_gdb_errors():
            session = self.session
            answer = commands.run(session, line)
            session.save_lookups()
            news = [item for item in session.journey.take_news() if item not in answer]
            return "\n".join([*news, answer])


@contextmanager
def as_gdb_errors() -> Iterator[None]:
    """Turn errors inside the block into gdb.GdbError, which gdb shows as one line without a traceback."""
    try:
        yield
    except PvhdbgError as error:
        raise gdb.GdbError(one_line(error)) from error
    except gdb.error as error:
        raise gdb.GdbError(error_text(error)) from error
    except KeyboardInterrupt:
        raise gdb.GdbError("Quit") from None


def one_line(error: PvhdbgError) -> str:
    """Return an error and its hint on one line, in gdb's host character set."""
    line = f"{error} ({commands.prefixed(error.hint)})" if error.hint else str(error)
    return line.encode(charset(), "replace").decode(charset())


def charset() -> str:
    """Return the character set of gdb's terminal."""
    return gdb.host_charset() if hasattr(gdb, "host_charset") else "ascii"


def _evaluate_in_gdb(text: str) -> int:
    try:
        return address_of(gdb.parse_and_eval(text), text)
    except gdb.error as error:
        raise as_target_error(error) from error


def address_of(value: gdb.Value, text: str = "") -> int:
    """Return the value of a number, or the address of a structure, union, array or function.

    `text` is how the user wrote it.

    :raise gdb.error: if the value is not a number and has no address.
    :raise UserError: if it is a fraction, or needs more than 64 bits.
    """
    code = value.type.strip_typedefs().code
    number = int(value.address if code in _NOT_NUMBERS and value.address is not None else value)
    # The high half of the address space is negative in gdb's signed types.
    if not -_SIZE // 2 <= number < _SIZE or (code == gdb.TYPE_CODE_FLT and number != float(value)):
        raise not_an_integer(text or str(value))
    return number % _SIZE
