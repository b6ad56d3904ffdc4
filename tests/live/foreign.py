"""A QEMU that pvhdbg did not start, to attach to."""

import subprocess
import time
from pathlib import Path

from pvhdbg import guest
from pvhdbg.live.qemu import qmp


class Foreign:
    """A QEMU whose gdb stub and QMP listen on sockets."""

    def __init__(self, folder: Path, *args: str, stub: str | None = None) -> None:
        self.stub, self._qmp = folder / "stub", folder / "qmp"
        where = stub or f"unix:{self.stub},server=on,wait=off"
        sockets = ("-gdb", where, "-qmp", f"unix:{self._qmp},server=on,wait=off")
        machine = ("-nodefaults", "-display", "none", "-M", "microvm", "-kernel", str(guest.ELF), "-no-shutdown")
        self.process = subprocess.Popen(["qemu-system-x86_64", *machine, *sockets, *args], cwd=folder)

    def ask(self, command: str) -> dict[str, object]:
        """Send a QMP command, as soon as QEMU accepts a connection, and return the answer."""
        for _ in range(500):
            try:
                return dict(qmp.ask(self._qmp, command))
            except OSError:
                time.sleep(0.02)
        raise TimeoutError(command)

    def status(self) -> object:
        return self.ask("query-status")["status"]
