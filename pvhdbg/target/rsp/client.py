"""The part of the GDB remote serial protocol that this package needs: the protocol of a client.

Source: the GDB manual, appendix E, and QEMU gdbstub.c.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from pvhdbg.errors import TargetError
from pvhdbg.named_tuple import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


class StubError(TargetError):
    """The stub reported an error, does not know the packet, or did not answer in time."""


@contextmanager
def cleaned_up(clean_up: Callable[[], object]) -> Iterator[None]:
    """Call `clean_up`, which asks the stub, after the block, also if the block raises an error.

    Do not call it if pvhdbg is ending: the machine ends too, and its stub may wait for the rest of a packet.
    """
    try:
        yield
    except SystemExit:
        raise
    except BaseException:
        clean_up()
        raise
    clean_up()


BOOT_CPU = 1


class StopReply(NamedTuple):
    """Why the machine stopped: the number of a signal, or None if the stub reported that QEMU exits.

    `cpu` is the thread number of the CPU that reached a breakpoint or made a step; after another stop, the boot CPU's.
    `watched` is the address of the watchpoint that stopped it.
    """

    signal: int | None
    cpu: int = BOOT_CPU
    watched: int | None = None


class Rsp(Protocol):
    """A client of one gdb stub. Packets are text, without their frame and checksum."""

    @property
    def generation(self) -> int:
        """A number that changes when memory and registers may have changed."""
        ...

    @property
    def running(self) -> bool: ...

    @property
    def last_stop(self) -> StopReply | None: ...

    def ask_all(self, packets: Sequence[str]) -> list[str]:
        """Send packets without waiting for each answer. Return the answers in the same order.

        The answers are as the stub sent them: `Enn` is an error, and an empty answer means an unknown packet.

        :raise StubError: if the stub does not answer in time, or answers with something that is not a packet.
        :raise NotConnected: if the machine is gone.
        """
        ...

    def monitor(self, command: str) -> str:
        """Return the answer of QEMU's monitor to a command.

        :raise StubError: if the stub has no monitor.
        :raise NotConnected: if the machine is gone.
        """
        ...

    def resume(self, packet: str) -> None:
        """Send a packet that makes the machine run, such as `vCont;c`. Its answer is the next stop.

        :raise NotConnected: if the machine is gone.
        """
        ...

    def wait_stop(self, timeout: float) -> bool:
        """Wait until the machine stops; return False if it still runs after `timeout` seconds.

        :raise NotConnected: if the machine is gone.
        """
        ...

    def interrupt(self) -> None:
        """Ask the stub to stop the machine. Can be called from any thread and does not wait."""
        ...

    def ask_for_stop(self) -> None:
        """Ask the stub to report the last stop again. The machine must have been interrupted. Does not wait.

        :raise NotConnected: if the machine is gone.
        """
        ...


def is_error(answer: str) -> bool:
    return answer.startswith("E") or not answer
