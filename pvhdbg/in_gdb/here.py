"""What a question in gdb is asked of: the machine gdb is connected to, on its way through the stages."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import gdb

from pvhdbg import commands
from pvhdbg.boot.record.document import MachineFacts
from pvhdbg.boot.run.journey import Journey
from pvhdbg.boot.session.expression import entry_at
from pvhdbg.boot.session.live import LiveSession
from pvhdbg.boot.stop import stages
from pvhdbg.boot.stop.address import symbol_at
from pvhdbg.boot.stop.kernel_probe import SymbolsAndStrings
from pvhdbg.errors import PvhdbgError, TargetError
from pvhdbg.in_gdb import kernel as files
from pvhdbg.in_gdb.kernel import Kernel, Kernels
from pvhdbg.target import monitor
from pvhdbg.target.gdb_native import NativeTarget, boot_cpu, as_target_error
from pvhdbg.target.native_runner import NativeRunner

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pvhdbg.boot.lab.rewrite import Change
    from pvhdbg.boot.record.document import Document, Rewrite
    from pvhdbg.boot.stop.capture import Capture

_MASK = (1 << 64) - 1
_NO_NUMBERS = (gdb.TYPE_CODE_STRUCT, gdb.TYPE_CODE_UNION, gdb.TYPE_CODE_ARRAY, gdb.TYPE_CODE_FUNC)


class Here(LiveSession):
    """One machine, as long as gdb stays connected to it.

    `before` is the machine before it: what the user opened and told there still holds.
    """

    def __init__(self, machine: gdb.InferiorThread | None, before: Here | None = None) -> None:
        self.target = NativeTarget()
        self.runner = NativeRunner(self.target)
        self._boot_cpu = machine
        self._kernel = Kernel()
        self._told: Kernel = before._told if before else Kernel()  # noqa: SLF001  one of us
        super().__init__(
            self._journey(),
            disassembler=lambda address, count: monitor.disassemble(self.target.monitor, address, count),
            expressions=_by_gdb,
            name_of=self._name_at,
        )
        self._opened = before.opened if before else None

    def is_at(self, machine: gdb.InferiorThread | None) -> bool:
        """Whether this is that machine. One that has gone may still be asked about."""
        return machine is None or machine is self._boot_cpu

    def set_image(self, loaded: Kernel) -> None:
        """The kernel that gdb has now; the one the user told where that one tells no entry."""
        self._told = files.fresh(self._told)
        has_entry = loaded.facts is not None and loaded.facts.entry is not None
        kernel = loaded if has_entry or self._told.facts is None else self._told
        if kernel is not self._kernel:
            self._kernel = kernel
            self._tell_journey()

    def _tell_journey(self) -> None:
        facts, symbols, _ = self._kernel
        self.target.symbols = SymbolsAndStrings(symbols, facts) if symbols and facts else symbols
        told = self.journey.entry
        self.journey.set_image(facts)
        if self.journey.entry is None:
            self.journey.entry = told

    def locate(self, where: str) -> None:
        if self._kernel is self._told:  # by the user, who may know better now
            self.journey.entry = entry_at(where)
        else:
            super().locate(where)
        with suppress(PvhdbgError):  # a number
            self._told = files.told(where)
            self.set_image(self._told)

    def current(self) -> Capture:
        self._catch_up()
        return super().current()

    def rewrite(self, change: Change) -> Sequence[Rewrite]:
        self.current()
        return super().rewrite(change)

    def document(self) -> Document:
        with suppress(TargetError):
            self.machine = MachineFacts(qemu=monitor.parse_version(self.target.monitor("info version")))
        return super().document()

    def _journey(self) -> Journey:
        return Journey(self.target, self.runner, None, reading=self.target.physical, name_of=self._name_at)

    def _catch_up(self) -> None:
        """See what the user has done meanwhile: the guest may have died, or have been started again."""
        if boot_cpu() is None:
            return
        is_dead = self.runner.death() is not None
        if self._is_dead != is_dead and is_dead:
            self.journey.capture_at(stages.DIED)
        elif self._is_dead != is_dead:
            self.journey = self._journey()
            self._outcome = None
            self._tell_journey()

    def _name_at(self, rip: int) -> str | None:
        symbols = self._kernel.symbols if self.journey.kernel_mismatch is None else None
        return symbol_at(symbols.at, self.image, rip) if symbols else None


class Sessions:
    """The machine that is there now, and the recording that is looked at instead."""

    def __init__(self) -> None:
        self._kernels = Kernels()
        self._here = Here(None)

    @property
    def here(self) -> Here:
        machine = boot_cpu()
        if not self._here.is_at(machine):
            self._here = Here(machine, self._here)
        self._here.set_image(self._kernels.loaded())
        return self._here

    def ask(self, line: str) -> str:
        """The answer to a line of the command table.

        :raise gdb.GdbError: if there is none.
        """
        with told():
            here = self.here
            answer = commands.run(here, line)
            news = [each for each in here.journey.take_news() if each not in answer]
            return "\n".join([*news, answer])


@contextmanager
def told() -> Iterator[None]:
    """Within, a mistake or trouble is one line, which gdb shows without a traceback."""
    try:
        yield
    except PvhdbgError as error:
        raise gdb.GdbError(one_line(error)) from error
    except gdb.error as error:
        raise gdb.GdbError(" ".join(str(error).split())) from error
    except KeyboardInterrupt:
        raise gdb.GdbError("Quit") from None


def one_line(error: PvhdbgError) -> str:
    """An error and its hint, in the character set that gdb takes an error in."""
    line = f"{error} ({commands.prefixed(error.hint)})" if error.hint else str(error)
    return line.encode(charset(), "replace").decode(charset())


def charset() -> str:
    """What gdb's terminal is taken to show."""
    return gdb.host_charset() if hasattr(gdb, "host_charset") else "ascii"


def _by_gdb(words: str) -> int:
    try:
        return address_of(gdb.parse_and_eval(words))
    except gdb.error as error:
        raise as_target_error(error) from error


def address_of(value: gdb.Value) -> int:
    """A number, or of what is none, where it lies.

    :raise gdb.error: if it is neither.
    """
    is_thing = value.type.strip_typedefs().code in _NO_NUMBERS
    return int(value.address if is_thing and value.address is not None else value) & _MASK
