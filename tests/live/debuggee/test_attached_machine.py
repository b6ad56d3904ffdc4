import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from pvhdbg.errors import UserError
from pvhdbg.live.debuggee.attached_machine import AttachedMachine
from pvhdbg.live.gdb import console
from pvhdbg.target.base import HIT, RESET, TIMEOUT, Halt
from pvhdbg.target.mi.client import console_command
from pvhdbg.target.stub import PHY_MEM_MODE
from tests import tiny
from tests.cli.shell import pvhdbg
from tests.live.foreign import Foreign

ENTRY = 0x1000000
NOWHERE = 0x10


@pytest.mark.parametrize(("args", "as_found"), [((), "running"), (("-S",), "prelaunch")])
def test_a_guest_is_left_as_it_was_found(foreign: Callable[..., Foreign], args: tuple[str, ...], as_found: str) -> None:
    foreign_qemu = foreign(*args)
    found = foreign_qemu.status()
    with AttachedMachine(str(foreign_qemu.stub)) as machine:
        assert bytes(4) != machine.target.read_phys(ENTRY, 4)

    assert (as_found, as_found) == (found, foreign_qemu.status())


def test_a_guest_that_was_stopped_is_stopped_again_without_breakpoints(
    foreign: Callable[..., Foreign],
) -> None:
    foreign_qemu = foreign("-S")
    with AttachedMachine(str(foreign_qemu.stub)) as machine:
        assert Halt(HIT, ENTRY) == machine.runner.run_to([ENTRY], 30)
        console.run(machine.gdb, f"hbreak *{NOWHERE:#x}", lambda: None)
        console.run(machine.gdb, "continue", lambda: None)

    assert "paused" == foreign_qemu.status()
    with AttachedMachine(str(foreign_qemu.stub)) as machine:
        assert TIMEOUT == machine.runner.run_to([NOWHERE], 0.3).kind
        assert console.run(machine.gdb, "info breakpoints", lambda: None).startswith("No breakpoints")
        assert 'received: "0"' in machine.gdb.ask(console_command("maint packet qqemu.PhyMemMode")).text


def test_a_guest_that_was_paused_by_the_monitor_resumes(
    foreign: Callable[..., Foreign],
) -> None:
    foreign_qemu = foreign()
    foreign_qemu.ask("stop")
    with AttachedMachine(str(foreign_qemu.stub)):
        assert "paused" == foreign_qemu.status()

    assert "running" == foreign_qemu.status()


def test_attaching_turns_off_phymemmode_if_it_was_left_on(foreign: Callable[..., Foreign]) -> None:
    foreign_qemu = foreign()
    script = "\n".join((f"target remote {foreign_qemu.stub}", "maint packet Qqemu.PhyMemMode:1", "disconnect"))
    subprocess.run(["gdb", "-nx", "-batch", "-x", "/dev/stdin"], input=script, text=True, check=True)
    with AttachedMachine(str(foreign_qemu.stub)) as machine:
        mode = machine.gdb.ask(console_command("maint packet qqemu.PhyMemMode")).text

        assert 'received: "0"' in mode
        assert (PHY_MEM_MODE, True) == (machine.target.physical_memory, machine.target.has_monitor)


def test_the_code_at_the_reset_vector_is_the_firmwares(foreign: Callable[..., Foreign]) -> None:
    foreign_qemu = foreign("-S")
    code = pvhdbg("attach", foreign_qemu.stub, "-c", "code")
    info = pvhdbg("attach", foreign_qemu.stub, "-c", "info")

    assert "  rip 0xfff0, physical 0xfffffff0 with cs.base 0xffff0000; " in info.out
    assert code.out.startswith("raw bytes at physical address 0x")
    assert "0xfffffff0" == code.out.splitlines()[1].split()[0]
    assert {"00"} != set(code.out.splitlines()[1].split()[1:])


@pytest.mark.parametrize("line", ["continue", "continue&"])
def test_a_running_guest_can_be_interrupted(foreign: Callable[..., Foreign], line: str) -> None:
    with AttachedMachine(str(foreign().stub)) as machine:
        console.run(machine.gdb, line, lambda: None)
        machine.runner.interrupt()

        assert machine.gdb.wait_stop(10)


def test_a_stub_over_tcp_works(foreign: Callable[..., Foreign]) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    foreign("-S", stub=f"tcp:127.0.0.1:{port}")
    with AttachedMachine(f"127.0.0.1:{port}") as machine:
        assert 0xFFF0 == machine.target.register("rip")


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("foo", "^foo: no such socket$"),
        ("/nowhere/stub", "^/nowhere/stub: no such socket$"),
        ("/dev/null/stub", "^/dev/null/stub: no such socket$"),
        ("127.0.0.1:1", "^can't attach to 127.0.0.1:1: .*Connection refused$"),
        ("| touch /tmp/x", "not the address of a gdb stub"),
        (" |touch /tmp/x", "not the address of a gdb stub"),
        ("a\nb", "not the address of a gdb stub"),
        ("localhost:0", "localhost:0: port out of range"),
        ("127.0.0.1:65536", "127.0.0.1:65536: port out of range"),
        ("[::1]:66770", r"\[::1\]:66770: port out of range"),
        (f"tcp:localhost:{'9' * 5000}", "9: port out of range"),
    ],
)
def test_an_address_without_a_stub_is_refused(where: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        AttachedMachine(where)


@pytest.mark.parametrize(("taken", "kind"), [(0, RESET), (3, TIMEOUT)])
def test_a_reset_is_detected_if_the_cpu_has_a_free_hardware_breakpoint(
    foreign: Callable[..., Foreign], taken: int, kind: str, tmp_path: Path
) -> None:
    kernel = tmp_path / "dying.elf"
    kernel.write_bytes(tiny.dying())
    with AttachedMachine(str(foreign("-S", "-kernel", str(kernel)).stub)) as machine:
        assert HIT == machine.runner.run_to([tiny.PREPARE], 30).kind
        for address in range(taken):
            console.run(machine.gdb, f"hbreak *{address:#x}", lambda: None)

        assert kind == machine.runner.run_to([NOWHERE], 30 if kind == RESET else 0.3).kind
