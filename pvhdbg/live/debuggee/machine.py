"""What every live machine has: a private folder, and a watcher that cleans up if pvhdbg is killed."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from pvhdbg.live.system import folder
from pvhdbg.live.system.watcher import Watcher

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType
    from typing import Self

    from pvhdbg.live.qemu.process import Qemu
    from pvhdbg.target.base import Runner
    from pvhdbg.target.stub import StubTarget


class Child(Protocol):
    """A child process that can be ended."""

    def kill(self) -> None: ...

    def close(self) -> None: ...


class Machine:
    """A machine that can be reached, with its private folder.

    `target` and `runner` exist once it is connected. `qemu` is None for a machine that pvhdbg did not start. `close`
    removes `folder` with everything in it.
    """

    target: StubTarget
    runner: Runner

    def __init__(self) -> None:
        self.qemu: Qemu | None = None
        self.folder = folder.choose()
        self.watcher = Watcher(self.folder)
        try:
            folder.make(self.folder)
            self._start()
        except BaseException:
            self.close()
            raise

    def _start(self) -> None:
        """Start what the machine needs from the beginning."""

    def _children(self) -> Sequence[Child]:
        """Return the child processes, in the order in which they end."""
        return () if self.qemu is None else (self.qemu,)

    def kill(self) -> None:
        """Kill all child processes without waiting, so that `close` has less to wait for."""
        for child in self._children():
            child.kill()

    def close(self) -> None:
        """End all processes and remove the folder. The guest's serial output can still be read afterwards."""
        self.kill()
        with suppress(OSError):  # tried again below, when the processes hold no files any more
            folder.remove(self.folder)
        self.watcher.end()
        for child in self._children():
            child.close()
        folder.remove(self.folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
