"""The client of the GDB remote serial protocol. One thread uses it, except for `interrupt`.

The stub is not trusted: each answer has a limited size, and waiting for all answers together a limited time.
"""

from __future__ import annotations

import select
import time
from collections import deque
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, NoReturn

from pvhdbg.abi.text import printable
from pvhdbg.errors import NotConnected
from pvhdbg.lazy_pattern import pattern
from pvhdbg.live.stub.packets import Unframer, frame
from pvhdbg.live.system.patience import Patience
from pvhdbg.target.rsp.client import BOOT_CPU, StopReply, StubError

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence
    from pathlib import Path

TIMEOUT = 20.0
"""How long to wait for an answer, in seconds."""

_LATE_TIMEOUT = 5.0
"""Seconds for the answers that an interrupted call has not waited for. They were asked for some time ago."""
_MARK, _MARKED = "qSupported", "PacketSize="
"""A question that marks a place in the answers, and how its answer begins. No other answer begins like this."""
_LAST_STOP = "?"
"""The question for the reason of the last stop."""
CONNECT_TIMEOUT = 60.0
"""QEMU answers only after it has loaded the kernel."""

_MOST_AT_ONCE = 32
"""QEMU reads no more packets while its answers fill the socket, so a client that only sends would wait forever."""

_MOST_MONITOR_TEXT = 4 << 20
_EXITED = ("W", "X")
_SIGTRAP = 5
_THREAD = pattern(r"thread:(?:p[0-9a-f]{1,8}\.)?([0-9a-f]{1,8})(?:;|$)")
_WATCHED = pattern(r";[ar]?watch:([0-9a-fA-F]{1,16});")
_GONE = "the machine is gone"
_MONITOR = "qRcmd,"
_NO_ACK = "QStartNoAckMode"
_ONLY_PHYSICAL = "Qqemu.PhyMemMode:1"


class Connection:
    """A connection to QEMU's stub over a socket.

    The stub reads and writes guest-physical memory through it. `generation` changes when the machine may have changed.
    """

    def __init__(self, stream: socket.socket) -> None:
        self.generation = 0
        self.running = False
        self.last_stop: StopReply | None = None
        stream.settimeout(TIMEOUT)  # for sending: a stopped QEMU does not read
        self._stream = stream
        self._unframer = Unframer()
        self._packets: deque[str] = deque()
        self._unanswered: deque[str] = deque()
        self._patience = Patience()
        self._failed = ""
        self._is_out_of_step = False
        self._has_resumed = self._is_interrupted = False

    def connect(self, path: Path) -> None:
        """Connect, and send the first packet, without waiting: QEMU may still be loading the kernel.

        If QEMU has ended already, `wait_ready` says so.
        """
        try:
            self._stream.connect(str(path))
            self._stream.sendall(frame(_NO_ACK))
        except OSError:
            self._failed = _GONE

    def wait_ready(self, timeout: float = CONNECT_TIMEOUT) -> None:
        """Wait until QEMU answers.

        :raise StubError: if it does not answer in time, or cannot read physical memory.
        :raise NotConnected: if QEMU is gone.
        """
        # QEMU 7.2 does not know this packet, but does not insist on acknowledgments either.
        if self._receive(time.monotonic() + timeout, _NO_ACK) not in ("OK", ""):
            raise StubError("the gdb stub does not speak the GDB remote serial protocol")
        if self.ask_all([_ONLY_PHYSICAL]) != ["OK"]:
            raise StubError("the gdb stub cannot read physical memory")

    def ask_all(self, packets: Sequence[str]) -> list[str]:
        """See Rsp."""
        self._get_in_step()
        answers: list[str] = []
        remaining = iter(packets)
        while batch := list(islice(remaining, _MOST_AT_ONCE)):
            data = b"".join(map(frame, batch))  # a signal that ends the program here must not leave a packet unsent
            self._unanswered += batch
            self._send(data)
            answers += ["".join(self._answer()) for _ in batch]
        return answers

    def monitor(self, command: str) -> str:
        """See Rsp."""
        self._get_in_step()
        packet = f"{_MONITOR}{command.encode().hex()}"
        data = frame(packet)
        self._unanswered.append(packet)
        self._send(data)
        *parts, end = self._answer()
        if end != "OK":
            raise StubError("the gdb stub offers no QEMU monitor")
        try:
            return bytes.fromhex("".join(part[1:] for part in parts)).decode("utf-8", "replace").replace("\r", "")
        except ValueError as error:
            raise StubError("the gdb stub sent text of the monitor that is not hexadecimal") from error

    def _get_in_step(self) -> None:
        """Skip the answers that an interrupted call has not waited for. The interrupt may have lost some of them."""
        if not (self._unanswered or self._is_out_of_step):
            return
        self._is_out_of_step = True
        self._send(frame(_MARK))
        deadline = time.monotonic() + _LATE_TIMEOUT
        while not self._receive(deadline, _MARK).startswith(_MARKED):
            if time.monotonic() > deadline:
                self._fail("the gdb stub sends answers without end")
        self._unanswered.clear()
        self._is_out_of_step = False

    def _answer(self) -> list[str]:
        """Return the packets that answer the oldest packet without an answer: for the monitor, several."""
        packet = self._unanswered[0]
        parts: list[str] = []
        room = _MOST_MONITOR_TEXT
        while True:
            parts.append(self._receive_patiently(packet))
            room -= len(parts[-1])
            if room < 0:
                self._fail("QEMU's monitor does not stop printing")
            if not packet.startswith(_MONITOR) or parts[-1] == "OK" or not parts[-1].startswith("O"):
                self._unanswered.popleft()
                return parts

    def resume(self, packet: str) -> None:
        """See Rsp."""
        self._get_in_step()
        data = frame(packet)
        self.generation += 1
        self._has_resumed = self._is_interrupted = False
        self.running = True  # already: a signal that ends the program may come while the packet is sent
        self._send(data)
        self._has_resumed = True
        if self._is_interrupted:
            self.interrupt()

    def wait_stop(self, timeout: float) -> bool:
        """See Rsp."""
        deadline = time.monotonic() + timeout
        while self.running:
            packet = self._next(deadline)
            if packet is None:
                return False
            self._take_stop(packet)
            if time.monotonic() > deadline:  # output of the guest may never end
                return not self.running
        return True

    def interrupt(self) -> None:
        """See Rsp. QEMU ignores an interrupt while the guest is stopped: send it after the packet that resumes it."""
        self._is_interrupted = True
        if self._has_resumed:
            with suppress(OSError):
                self._stream.sendall(b"\x03")

    def ask_for_stop(self) -> None:
        """See Rsp."""
        self._is_out_of_step = True
        self._send(frame(_LAST_STOP))

    def close(self) -> None:
        """Close the connection. The machine stays stopped, and gdb can connect to the same stub afterwards."""
        self._stream.close()

    def _take_stop(self, packet: str) -> None:
        """Take a stop reply. Console output of the guest, which the stub may send while it runs, is ignored."""
        kind = packet[:1]
        if kind in ("S", "T"):
            signal = _number(packet[1:3])
            self.last_stop = StopReply(signal, _cpu(packet) if signal == _SIGTRAP else BOOT_CPU, _watched(packet))
        elif kind in _EXITED:
            self.last_stop = StopReply(None)
        elif kind == "O":
            return
        else:
            self._fail(f"the gdb stub answered {printable(packet[:40])!r} instead of reporting a stop")
        self.running = False
        self.generation += 1

    def _receive_patiently(self, packet: str) -> str:
        left = self._patience.left()
        try:
            return self._receive(time.monotonic() + min(TIMEOUT, left), packet)
        finally:
            self._patience.spend()

    def _receive(self, deadline: float, packet: str) -> str:
        answer = self._next(deadline)
        if answer is None:
            self._fail(f"the gdb stub does not answer: {printable(packet[:40])}")
        if answer[:1] in _EXITED:  # no answer to a question begins like this
            self._take_stop(answer)
            self._fail(_GONE)
        return answer

    def _next(self, deadline: float) -> str | None:
        """Return the next packet; None if none comes before the deadline."""
        while not self._packets:
            self._check()
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._stream], [], [], left)[0]:
                return None
            self._unframe(self._read())
        return self._packets.popleft()

    def _unframe(self, data: bytes) -> None:
        for packet in self._unframer.feed(data):
            if packet is not None:
                self._packets.append(packet)
            elif not self._is_out_of_step:
                self._fail("the gdb stub sent a damaged packet, or one that is too large")

    def _read(self) -> bytes:
        try:
            data = self._stream.recv(1 << 16)
        except OSError as error:
            raise NotConnected(_GONE) from error
        if not data:
            raise NotConnected(_GONE)
        return data

    def _send(self, data: bytes) -> None:
        self._check()
        try:
            self._stream.sendall(data)
        except OSError as error:
            raise NotConnected(_GONE) from error

    def _check(self) -> None:
        if self._failed:
            raise NotConnected(self._failed)

    def _fail(self, reason: str) -> NoReturn:
        """Give the connection up: an answer that comes too late would be taken for that of another question."""
        self._failed = reason
        raise NotConnected(reason)


def _number(text: str) -> int:
    try:
        return int(text, 16)
    except ValueError:
        return 0


def _cpu(packet: str) -> int:
    match = _THREAD.search(packet)
    return int(match[1], 16) if match else BOOT_CPU


def _watched(packet: str) -> int | None:
    match = _WATCHED.search(packet)
    return int(match[1], 16) if match else None
