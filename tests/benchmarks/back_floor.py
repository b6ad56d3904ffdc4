"""The least that any tool must do to go back with QEMU's snapshots: a yardstick for F7 and for `back FIELD`.

It keeps one connection to QEMU's stub and one to QMP, and knows which addresses to stop at. To go back, it loads a
snapshot, counts how often the guest stops on the way to where it was, loads the snapshot again, and runs to the stop
before. It decodes, compares and draws nothing. It uses only the standard library and nothing of pvhdbg.
"""

from __future__ import annotations

import json
import mmap
import socket
import struct
import tempfile
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.benchmarks.floor import KERNEL_MAP, RSP, Stub, addresses_of, booting, entry_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

RIP = 16
CMD_LINE_PTR = 0x228
LAST = 8
DRIVE, JOB, TAG = "snapshots", "job", "prepare"


class Qmp:
    """QEMU's machine protocol."""

    def __init__(self, path: Path) -> None:
        self._stream = socket.socket(socket.AF_UNIX)
        self._stream.connect(str(path))
        self._lines = self._stream.makefile("rb")
        self.execute("qmp_capabilities")

    def execute(self, command: str, **arguments: object) -> Any:  # noqa: ANN401 - JSON
        self._send(command, arguments)
        return next(message["return"] for message in self._messages() if "return" in message)

    def job(self, command: str, **arguments: object) -> None:
        self._send(command, {"job-id": JOB, "tag": TAG, **arguments})
        statuses = (message.get("data", {}).get("status") for message in self._messages())
        while next(statuses) != "concluded":
            pass
        jobs = self.execute("query-jobs")
        self.execute("job-dismiss", id=JOB)
        if "error" in jobs[0]:
            raise SystemExit(jobs[0]["error"])

    def _send(self, command: str, arguments: Mapping[str, object]) -> None:
        self._stream.sendall(json.dumps({"execute": command, "arguments": arguments}).encode())

    def _messages(self) -> Iterator[dict[str, Any]]:
        for line in self._lines:
            message = json.loads(line)
            if "error" in message:
                raise SystemExit(message)
            yield message


class BackFloor:
    """A guest with a snapshot at `prepare`."""

    def __init__(self, stub: Stub, qmp: Qmp, vmlinux: Path) -> None:
        self._stub, self._qmp = stub, qmp
        with vmlinux.open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as elf:
            self._entry = entry_of(elf)
            names = (b"xen_prepare_pvh", b"start_kernel", b"pvh_bootparams")
            self._prepare, self._start_kernel, self._bootparams = addresses_of(elf, *names)
        drives = qmp.execute("query-block")
        self._node = next(drive["inserted"]["node-name"] for drive in drives if drive["device"] == DRIVE)
        self._returns_to = self._to_prepare()
        qmp.job("snapshot-save", vmstate=self._node, devices=[self._node])
        self._before, self._steps = self._last_steps()

    def _to_prepare(self) -> int:
        """Run to `prepare`. Return where xen_prepare_pvh returns to."""
        self._stub.ask("Qqemu.PhyMemMode:1")
        self._stub.run_to(self._entry)
        registers = self._stub.run_to(self._prepare, self._prepare - KERNEL_MAP)
        return int(struct.unpack("<Q", self._stub.read(registers[RSP] & 0x7FFFFFFF, 8))[0])

    def _last_steps(self) -> tuple[int, int]:
        """Step to the return from xen_prepare_pvh. Return an instruction before it, and the steps from there.

        It is the one of the last few that the guest executes least often, because each stop takes time.
        """
        executed = [self._rip()]
        while executed[-1] != self._returns_to:
            self._stub.ask("vCont;s:1")
            executed.append(self._rip())
        often = Counter(executed)
        steps = min(range(1, LAST), key=lambda back: often[executed[-1 - back]])
        return executed[-1 - steps], steps

    def _rip(self) -> int:
        return int(struct.unpack_from("<Q", bytes.fromhex(self._stub.ask("g").decode()), RIP * 8)[0])

    def _load(self) -> None:
        self._qmp.job("snapshot-load", vmstate=self._node, devices=[self._node])

    def to_kernel(self) -> None:
        """Run to `kernel`: the least to be there again."""
        self._stub.run_to(self._start_kernel)

    def one_instruction(self) -> None:
        """From `bootparams`, go back by one instruction."""
        self._to_last(f"1,{self._before:x},1", self._returns_to)
        for _ in range(self._steps - 1):
            self._stub.ask("vCont;s:1")

    def to_writer(self) -> None:
        """From `kernel`, go back to the last store to pvh_bootparams.hdr.cmd_line_ptr."""
        self._to_last(f"2,{self._bootparams + CMD_LINE_PTR:x},4", self._returns_to)

    def _to_last(self, stop: str, end: int) -> None:
        """Load the snapshot, count the stops before `end`, load it again, and run to the last stop."""
        end_stop = f"1,{end:x},1"
        self._load()
        for packet in (stop, end_stop):
            self._stub.ask(f"Z{packet}")
        count = 0
        while self._go_on() != end:
            count += 1
        self._load()
        for _ in range(count):
            self._go_on()
        for packet in (stop, end_stop):
            self._stub.ask(f"z{packet}")

    def _go_on(self) -> int:
        """Run to the next stop; return RIP. QEMU does not step off a breakpoint by itself, so step first."""
        self._stub.ask("vCont;s:1")
        self._stub.ask("vCont;c")
        return self._rip()


@contextmanager
def started(vmlinux: Path) -> Iterator[BackFloor]:
    """Boot the kernel to `prepare`, with a snapshot there, in a QEMU that ends with the block."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "qmp")
        drive = f"driver=null-co,size=1M,if=none,id={DRIVE},snapshot=on"
        with booting(str(vmlinux), "-drive", drive, "-qmp", f"unix:{path},server=on,wait=off") as stub_path:
            stub = Stub(stub_path)
            stub.ask("qSupported")  # QEMU answers once it has created its other socket, too
            yield BackFloor(stub, Qmp(path), vmlinux)
