"""The client of QEMU's stub, against stubs that lie, are silent or do not stop."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from pvhdbg.errors import MemoryUnreadable, NotConnected, RegisterUnavailable, TargetError
from pvhdbg.live.stub import connection, packets
from pvhdbg.live.stub.connection import Connection
from pvhdbg.live.stub.packets import LARGEST, Unframer, frame
from pvhdbg.live.stub.watch import RspWatch
from pvhdbg.live.system import patience
from pvhdbg.target.rsp import rsp_runner
from pvhdbg.target.rsp.client import StubError
from pvhdbg.target.rsp.rsp_runner import RspRunner
from pvhdbg.target.rsp.rsp_target import RspTarget
from pvhdbg.target.stub import Hypervisor

if TYPE_CHECKING:
    from types import FrameType

    from _typeshed import TraceFunction

XML = '<target><reg name="{}" bitsize="64"/><reg name="rip" bitsize="64" regnum="7"/></target>'
Answer = Callable[[str], bytes]


@contextmanager
def stub(answer: Answer) -> Iterator[Connection]:
    """Connect to a stub that sends these bytes for each packet."""
    ours, theirs = socket.socketpair()

    def serve() -> None:
        unframer = Unframer()
        with suppress(OSError):
            while data := theirs.recv(1 << 16):
                for packet in unframer.feed(data):
                    theirs.sendall(answer(packet or ""))

    thread = threading.Thread(target=serve)
    thread.start()
    client = Connection(ours)
    try:
        yield client
    finally:
        client.close()
        theirs.shutdown(socket.SHUT_RDWR)
        thread.join()
        theirs.close()


def until_interrupted(action: Callable[[], object], opcode: int) -> bool:
    """Do something, and raise KeyboardInterrupt before that opcode of the client. Return whether it has so many."""
    count = 0

    def trace(frame: FrameType, event: str, _argument: object) -> TraceFunction | None:
        nonlocal count
        if frame.f_code.co_filename not in (connection.__file__, packets.__file__):
            return None
        frame.f_trace_opcodes = True
        count += event == "opcode"
        if count == opcode:
            sys.settrace(None)
            raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    try:
        sys.settrace(trace)
        action()
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(before)
    return False


def constant(text: str) -> Answer:
    return lambda _packet: frame(text)


def echo(packet: str) -> bytes:
    """Answer a packet with its text, and the question of what the stub supports as QEMU does."""
    return frame("PacketSize=1000;qXfer:features:read+" if packet == "qSupported" else packet)


def registers(xml: str, values: str) -> Answer:
    answers = {"qXf": "l" + xml, "Hg1": "OK", "g": values}
    return lambda packet: frame(answers.get(packet[:3], ""))


@pytest.mark.parametrize("text", ["OK", "a#b$c}d*e", "}", "\xff\x00", ""])
def test_a_frame_is_read_back(text: str) -> None:
    assert [text] == list(Unframer().feed(b"+" + frame(text)))


def test_packets_arrive_in_any_pieces() -> None:
    unframer, data = Unframer(), frame("one") + b"+" + frame("two")

    assert ["one", "two"] == [packet for byte in data for packet in unframer.feed(bytes([byte]))]


def test_a_run_of_repeated_characters_is_expanded() -> None:
    assert ["0000x"] == list(Unframer().feed(b"$0* x#%02x" % (sum(b"0* x") & 0xFF)))


@pytest.mark.parametrize("data", [b"$OK#00", b"$" + b"0" * (LARGEST + 1), frame("x")[:-2] + b"zz"])
def test_a_damaged_or_endless_packet_is_reported(data: bytes) -> None:
    assert [None] == list(Unframer().feed(data))


def test_a_packet_does_not_expand_without_limit() -> None:
    data = b"0*~" * (LARGEST // 50)

    assert [None] == list(Unframer().feed(b"$%s#%02x" % (data, sum(data) & 0xFF)))


def test_a_packet_after_one_whose_end_was_lost_is_read() -> None:
    assert ["OK"] == list(Unframer().feed(b"$0123" + frame("OK")))


@pytest.mark.parametrize("data", [b"$OK#00", b"$" + b"0" * (LARGEST + 1)])
def test_a_damaged_or_endless_answer_is_an_error(data: bytes) -> None:
    with (
        stub(lambda _packet: data) as rsp,
        pytest.raises(NotConnected, match="damaged packet, or one"),
    ):
        rsp.ask_all(["g"])


def test_the_error_for_a_silent_stub_names_the_packet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "TIMEOUT", 0.1)
    with stub(lambda _: b"") as client:
        with pytest.raises(NotConnected, match=r"^the gdb stub does not answer: m0,4$"):
            client.ask_all(["m0,4"])
        with pytest.raises(NotConnected, match="does not answer: m0,4"):
            client.ask_all(["g"])


def test_the_runner_says_why_it_gives_up_a_machine_that_still_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "TIMEOUT", 2.0)  # the other answers come earlier
    known = registers(XML.format("rax"), "00" * 16)
    running = cast("Hypervisor", SimpleNamespace(death=lambda _timeout: None))
    with stub(lambda packet: b"" if packet.startswith("Z") else known(packet)) as client:
        runner = RspRunner(client, RspTarget(client), running)
        with pytest.raises(NotConnected, match=r"^the gdb stub does not answer: Z1,1,1$"):
            runner.run_to([1], 1)


def test_a_slow_stub_costs_no_more_than_the_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "LONGEST", 0.3)
    with stub(lambda _: b"") as client, pytest.raises(NotConnected):
        client.ask_all(["g"] * 100)


def test_a_monitor_that_does_not_stop_printing_is_an_error() -> None:
    flood = frame("O" + "41" * 0x8000) * 100
    with stub(lambda _: flood) as client, pytest.raises(NotConnected, match="does not stop printing"):
        client.monitor("info registers")


@pytest.mark.parametrize("text", ["", "E01"])
def test_a_stub_without_a_monitor_is_an_error(text: str) -> None:
    with stub(constant(text)) as client, pytest.raises(StubError, match="no QEMU monitor"):
        client.monitor("info status")


@pytest.mark.parametrize("text", ["T0", "Txx", "S", "W00", "X0f"])
def test_any_stop_reply_ends_the_wait(text: str) -> None:
    with stub(constant(text)) as client:
        client.resume("vCont;c")

        assert client.wait_stop(5)


@pytest.mark.parametrize(
    ("text", "cpu"),
    [("T05thread:04;", 4), ("T05thread:p01.0b;hwbreak:;", 11), ("T02thread:04;", 1), ("T05", 1), ("T05thread:zz;", 1)],
)
def test_a_breakpoint_or_step_stops_the_cpu_that_is_named(text: str, cpu: int) -> None:
    with stub(constant(text)) as client:
        client.resume("vCont;c")
        client.wait_stop(5)

        assert client.last_stop is not None
        assert cpu == client.last_stop.cpu


def test_an_answer_that_is_not_a_stop_reply_is_an_error_without_control_characters() -> None:
    with stub(constant("\x1b[2Jboo")) as client:
        client.resume("vCont;c")
        with pytest.raises(NotConnected, match="instead of reporting a stop") as error:
            client.wait_stop(5)

    assert str(error.value).isprintable()


@pytest.mark.parametrize(
    ("text", "watched"),
    [
        ("T05thread:01;watch:ffffffff8310d430;", 0xFFFFFFFF8310D430),
        ("T05thread:01;rwatch:1000;", 0x1000),
        ("T05thread:01;awatch:2c;", 0x2C),
        ("T05thread:01;", None),
        ("T05thread:01;watch:11111111111111111;", None),
        ("T05thread:01;watch:xyz;", None),
    ],
)
def test_the_watchpoint_that_stopped_the_machine_is_named(text: str, watched: int | None) -> None:
    with stub(constant(text)) as client:
        client.resume("vCont;c")
        client.wait_stop(5)

        assert watched == (client.last_stop and client.last_stop.watched)


def test_output_of_the_guest_does_not_keep_a_run_from_timing_out() -> None:
    with stub(lambda _: frame("O41") * 1000) as client:
        client.resume("vCont;c")

        assert not client.wait_stop(0.2)


@pytest.mark.parametrize("is_early", [True, False])
def test_an_interrupt_reaches_the_stub_after_the_packet_that_resumes_the_guest(
    is_early: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = socket.socketpair()
    client, send = Connection(ours), Connection._send

    def send_and_interrupt(self: Connection, data: bytes) -> None:
        if is_early:
            self.interrupt()
        send(self, data)
        if not is_early:
            self.interrupt()

    monkeypatch.setattr(Connection, "_send", send_and_interrupt)
    client.resume("vCont;c")
    client.close()
    with theirs:
        assert frame("vCont;c") + b"\x03" == theirs.recv(1 << 16)


def test_wherever_a_question_is_interrupted_the_next_one_gets_its_own_answer() -> None:
    opcode = 0
    with stub(echo) as rsp:
        while until_interrupted(lambda: rsp.ask_all(["one", "two"]), opcode := opcode + 1):
            assert [["three"], ["four", "five"]] == [rsp.ask_all(["three"]), rsp.ask_all(["four", "five"])]

    assert opcode > 100


def test_wherever_a_wait_is_interrupted_the_stop_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rsp_runner, "_SOON", 0.005)
    opcode = 0

    def run() -> None:
        rsp.resume("vCont;c")
        rsp.wait_stop(5)

    with stub(lambda packet: frame("T05thread:01;") if packet in ("vCont;c", "?") else echo(packet)) as rsp:
        runner = RspRunner(rsp, RspTarget(rsp), cast("Hypervisor", None))
        while until_interrupted(run, opcode := opcode + 1):
            runner.stop()
            assert (False, ["three"]) == (rsp.running, rsp.ask_all(["three"]))

    assert opcode > 100


@pytest.mark.parametrize(
    "xml",
    [
        "",
        "<target>",
        '<reg name="rip"/>',
        '<reg name="rip" bitsize="x"/>',
        '<reg name="rip" bitsize="-1"/>',
        '<reg name="rip" bitsize="999999999"/>',
        "<t>" + '<reg name="a" bitsize="8"/>' * 5000 + "</t>",
        '<!DOCTYPE t [<!ENTITY a "b">]><t>&a;</t>',
    ],
)
def test_an_invalid_description_of_registers_is_an_error(xml: str) -> None:
    with stub(registers(xml, "00" * 16)) as client, pytest.raises(TargetError):
        RspTarget(client).register("rip")


def test_a_description_that_includes_itself_ends() -> None:
    xml = '<t><xi:include href="target.xml"/></t>'
    with stub(registers(xml, "00")) as client, pytest.raises(RegisterUnavailable):
        RspTarget(client).register("rip")


def test_registers_are_found_by_number_and_unavailable_ones_are_left_out() -> None:
    with stub(registers(XML.format("rax"), "11" + "00" * 7 + "x" * 16)) as client:
        target = RspTarget(client)

        assert 0x11 == target.register("rax")
        with pytest.raises(RegisterUnavailable):
            target.register("rip")


@pytest.mark.parametrize("text", ["", "E14", "00", "zz" * 4, "00" * 5])
def test_memory_of_another_size_or_form_is_unreadable(text: str) -> None:
    with stub(constant(text)) as client, pytest.raises((MemoryUnreadable, TargetError)):
        RspTarget(client).read_phys(0, 4)


@pytest.mark.parametrize("ask", [lambda rsp: rsp.ask_all(["?"]), lambda rsp: rsp.monitor("info status")])
def test_a_question_that_was_interrupted_before_it_was_sent_is_not_waited_for(
    ask: Callable[[Connection], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_packet: str) -> bytes:
        raise KeyboardInterrupt

    with stub(lambda packet: frame(f"answer to {packet}")) as rsp:
        with monkeypatch.context() as during:
            during.setattr(connection, "frame", interrupted)
            with pytest.raises(KeyboardInterrupt):
                ask(rsp)

        assert ["answer to g"] == rsp.ask_all(["g"])


def test_a_machine_counts_as_running_as_soon_as_the_packet_may_have_been_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_data: bytes) -> None:
        raise KeyboardInterrupt

    with stub(frame) as rsp:
        monkeypatch.setattr(rsp, "_send", interrupted)
        with pytest.raises(KeyboardInterrupt):
            rsp.resume("vCont;c")

        assert rsp.running


def test_the_end_of_pvhdbg_does_not_wait_for_the_stub() -> None:
    asked = []

    def answer(packet: str) -> bytes:
        asked.append(packet)
        return frame("OK")

    with stub(answer) as rsp:
        with pytest.raises(SystemExit), RspWatch(rsp).breakpoints([0x1000]):
            raise SystemExit(143)
        with pytest.raises(KeyError), RspWatch(rsp).breakpoints([0x2000]):
            raise KeyError

    assert ["Z1,1000,1", "Z1,2000,1", "z1,2000,1"] == asked
