"""A gdb stub on a UNIX socket that talks like QEMU's for a while, and then does something else."""

from __future__ import annotations

import random
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PACKET = re.compile(rb"\$([^#]*)#..")
_MONITOR = b"\x1b[31mVM status: paused (\x1b[2Jevil)\x9b\nCS =ffff 0 0 0\n"
_BEFORE = ("no-accept", "accept-hang", "accept-close", "garbage")
"""What a stub does before its first answer."""
_REGISTERS = {"short": 10, "long": 2000}
_CONSTANT = {
    b"?": b"S05",
    b"qC": b"QC1",
    b"qfThreadInfo": b"m1",
    b"qsThreadInfo": b"l",
    b"qAttached": b"1",
    b"vCont?": b"vCont;c;C;s;S",
    b"Qqemu.PhyMemMode:0": b"OK",
    b"Qqemu.PhyMemMode:1": b"OK",
}


class HostileStub:
    """A stub that answers properly, and then does what `mode` says: hang, close, flood (without an end), or drip (go
    on, but slowly). It begins with that after `answers` packets, or at the first packet that begins with `at`. In the
    modes lies, short and long it answers wrongly from the start.
    """

    def __init__(self, path: Path, mode: str, answers: int, at: bytes | None) -> None:
        self._mode = mode
        self._answers = answers
        self._at = at
        self._misbehaves = False
        self._ended = threading.Event()
        self._random = random.Random(answers)
        self._listener = socket.socket(socket.AF_UNIX)
        self._path = path
        self._listener.bind(str(path))
        self._listener.listen(1)
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def end(self) -> None:
        self._ended.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()
        self._path.unlink()

    def _serve(self) -> None:
        if self._mode == "no-accept":
            self._ended.wait()
            return
        with suppress(OSError):
            connection, _ = self._listener.accept()
            with connection:
                connection.settimeout(0.1)
                self._talk(connection)

    def _talk(self, connection: socket.socket) -> None:
        if self._mode in _BEFORE:
            self._misbehave(connection)
            return
        count = 0
        while not self._ended.is_set():
            with suppress(TimeoutError):
                received = connection.recv(4096)
                if not received:
                    return
                for packet in _PACKET.findall(received):
                    count += 1
                    connection.sendall(b"+")
                    self._misbehaves |= count > self._answers if self._at is None else packet.startswith(self._at)
                    if self._misbehaves and self._misbehave(connection):
                        return
                    connection.sendall(self._answer(connection, packet))

    def _misbehave(self, connection: socket.socket) -> bool:
        """Do what the mode says. Return False to go on with an answer."""
        if self._mode in ("hang", "accept-hang"):
            self._ended.wait()
        elif self._mode == "drip":
            self._ended.wait(0.3)
            return False
        elif self._mode in ("flood", "garbage"):
            connection.settimeout(None)
            while not self._ended.is_set():
                connection.sendall(
                    _packet(b"O" + b"1b5b33316d" * 200) if self._mode == "flood" else self._random.randbytes(500)
                )
                time.sleep(0 if self._mode == "flood" else 0.01)
        return self._mode not in ("lies", "short", "long")

    def _answer(self, connection: socket.socket, packet: bytes) -> bytes:
        if packet.startswith(b"qRcmd"):
            connection.sendall(_packet(b"O" + (_MONITOR * 3).hex().encode()))
            return _packet(b"OK")
        if packet.startswith(b"qSupported"):
            return _packet(b"PacketSize=1000")
        if packet == b"g":
            return _packet(b"00" * _REGISTERS.get(self._mode, 312))
        if packet[:1] == b"m":
            return _packet(self._memory(int(packet.partition(b",")[2], 16)))
        if packet[:1] in (b"H", b"Z", b"z", b"D"):
            return _packet(b"OK")
        lie = self._random.choice([b"", b"OK", b"E01", b"ff" * 50, b"m1,2,3", b"l<x/>", b"\x1b[31m"])
        return _packet(_CONSTANT.get(packet, lie if self._mode == "lies" else b""))

    def _memory(self, size: int) -> bytes:
        data = self._random.randbytes(size).hex().encode()
        lies = [b"E01", b"", data + b"00", data[:3], b"zz"]
        return self._random.choice(lies) if self._mode == "lies" and self._random.random() < 0.3 else data


def _packet(data: bytes) -> bytes:
    return b"$" + data + b"#%02x" % (sum(data) & 255)


@contextmanager
def running(path: Path, mode: str, answers: int = 0, *, at: bytes | None = None) -> Iterator[None]:
    stub = HostileStub(path, mode, answers, at)
    try:
        yield
    finally:
        stub.end()
