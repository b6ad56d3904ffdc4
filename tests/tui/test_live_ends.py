"""No matter how the TUI ends, it restores the terminal, leaves no files or processes, and leaves an attached machine as
it was.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pvhdbg import guest
from tests import rebuilt, tiny
from tests.live.foreign import Foreign
from tests.paths import ROOT
from tests.tui import tmux
from tests.tui.tmux import Shell

STATUS = {signal.SIGTERM: "143", signal.SIGHUP: "129", signal.SIGINT: "130", signal.SIGKILL: "137"}


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    with tmux.shell(tmp_path) as started:
        yield started


def assert_restored(shell: Shell, settings: str) -> None:
    """Check the terminal's settings, a visible cursor, the normal screen and no mouse reports."""
    assert settings == shell.answer("stty -g")
    assert ("1", "0", "0") == tuple(map(shell.variable, ("cursor_flag", "alternate_on", "mouse_any_flag")))


@pytest.mark.parametrize("number", STATUS)
def test_after_every_signal_the_terminal_is_restored_and_nothing_is_left(shell: Shell, number: signal.Signals) -> None:
    settings = shell.answer("stty -g")
    shell.start()
    shell.wait("stopped at prepare")
    shell.type(tmux.LOOP)
    shell.keys("BTab", "BTab")
    shell.keys("F5")
    shell.wait("running")

    assert ("1", "1") == (shell.variable("alternate_on"), shell.variable("mouse_any_flag"))

    os.kill(shell.pid(), number)
    shell.wait(tmux.PROMPT)

    assert STATUS[number] == shell.status()
    assert "Traceback" not in shell.text
    assert [] == shell.leftovers()
    assert_restored(shell, settings)


def test_a_change_that_is_refused_ends_pvhdbg_before_the_screen_opens(shell: Shell) -> None:
    shell.start("--set memory_map.nr_entries=0")
    text = shell.wait('error: memory_map.nr_entries: the map is not an "e820 data" module')
    shell.wait("set start_info.memmap_entries instead")

    assert "2" == shell.status()
    assert "Traceback" not in text
    assert [] == shell.leftovers()


def test_a_closed_terminal_leaves_nothing(tmp_path: Path) -> None:
    with tmux.shell(tmp_path) as shell:
        shell.start()
        shell.wait("stopped at prepare")

    assert [] == shell.leftovers()


def test_ctrl_z_returns_the_terminal_to_the_shell_and_fg_continues(shell: Shell) -> None:
    settings = shell.answer("stty -g")
    shell.start()
    shell.wait("stopped at prepare")
    shell.type("p 40 + 1")
    shell.wait("$1 = 41")
    shell.keys("C-z")
    shell.wait("Stopped")
    assert_restored(shell, settings)
    shell.resize(120, 40)
    shell.type("fg")
    shell.wait("$1 = 41")
    shell.until(lambda text: len(text.splitlines()[0]) > 100)
    shell.keys("F6")
    shell.wait("stopped at bootparams")
    shell.keys("C-z")
    shell.wait("Stopped")
    shell.type("kill -9 %1")

    assert [] == shell.leftovers()
    assert_restored(shell, settings)


def test_the_screen_follows_the_terminals_size(shell: Shell) -> None:
    shell.start()
    shell.wait("stopped at prepare")
    for width, height in ((80, 24), (59, 15), (200, 60), (60, 16)):
        shell.resize(width, height)
        shell.wait("too small: 59x15" if width < 60 else "F1 help")
        shell.until(lambda text, width=width, height=height: _fills(text, width, height))  # type: ignore[misc]  # bound now
    shell.type("p 40 + 2")
    shell.wait("$1 = 42")


def _fills(text: str, width: int, height: int) -> bool:
    framed = {len(line) for line in text.splitlines() if line.startswith(tuple("┌│├└"))}
    return "too small" in text or (height, {width}) == (len(text.splitlines()), framed)


@pytest.mark.parametrize(
    ("options", "status", "error"),
    [
        ("/nowhere/vmlinux", "2", "pvhdbg: error: /nowhere/vmlinux: No such file or directory"),
        (f"{ROOT}/README.md", "2", "README.md: "),
        ("--qemu /nowhere/qemu", "3", "pvhdbg: error: can't start /nowhere/qemu: No such file or directory"),
        ("--gdb /nowhere/gdb", "3", "pvhdbg: error: can't start /nowhere/gdb: No such file or directory"),
        ("-- -nonsense", "2", "nonsense"),
        ("attach /nowhere/stub", "2", "pvhdbg: error: /nowhere/stub: no such socket"),
        ("show --tui /nowhere/boot.json", "2", "pvhdbg: error: /nowhere/boot.json: No such file or directory"),
    ],
)
def test_a_failed_start_prints_an_error_and_never_touches_the_screen(
    shell: Shell, options: str, status: str, error: str
) -> None:
    typescript = shell.runtime.parent / "typescript"
    shell.tmux("pipe-pane", f"cat > {typescript}")
    shell.start(options)
    shell.wait(error)

    assert status == shell.status()
    assert "\x1b[?1049h" not in typescript.read_text(errors="replace")
    assert "Traceback" not in shell.text
    assert [] == shell.leftovers()


def test_ctrl_c_ends_a_slow_start(shell: Shell, tmp_path: Path) -> None:
    slow = tmp_path / "slow"
    slow.write_text("#!/bin/sh\nsleep 60\n")
    slow.chmod(0o755)
    shell.start(f"--qemu {slow}")
    shell.until(lambda _: any(shell.runtime.iterdir()), "pvhdbg did not start")
    shell.keys("C-c")
    shell.until(lambda text: text.rstrip().endswith(tmux.PROMPT))

    assert "130" == shell.status()
    assert [] == shell.leftovers()


@pytest.mark.parametrize(("args", "as_found"), [((), "running"), (("-S",), "prelaunch")])
def test_an_attached_machine_is_left_as_it_was(
    shell: Shell, foreign: Callable[..., Foreign], args: tuple[str, ...], as_found: str
) -> None:
    machine = foreign(*args)
    shell.start(f"attach {machine.stub} {guest.ELF}")
    shell.wait("■ stopped")
    shell.type("hbreak xen_prepare_pvh")
    shell.type("x/2i $pc")
    shell.wait("(gdb) x/2i $pc\n=>")
    for line, refused in (("run", "can't restart this machine"), ("kill", "can't kill this machine")):
        shell.type(line)
        shell.wait(refused)
    shell.keys("F4")
    shell.wait("can't restart this machine: pvhdbg did not start it")
    shell.keys("C-q")
    shell.wait(tmux.PROMPT)

    assert "0" == shell.status()
    assert as_found == machine.status()
    assert [] == shell.leftovers()


def test_a_guest_that_died_before_attaching_is_explained(shell: Shell, foreign: Callable[..., Foreign]) -> None:
    machine = foreign("-cpu", "qemu32", "-no-reboot")
    while machine.status() != "shutdown":
        pass
    shell.start(f"attach {machine.stub} {guest.ELF}")
    shell.wait("✖ died: triple fault")
    shell.keys("5")

    assert "PVH911" in shell.wait("the CPU has no long mode")


def test_a_machine_attached_by_tcp_can_be_stepped_interrupted_and_left(
    shell: Shell, foreign: Callable[..., Foreign]
) -> None:
    machine = foreign("-S", stub="tcp:127.0.0.1:0")
    port = _port(machine.process.pid)
    shell.start(f"attach 127.0.0.1:{port} {guest.ELF}")
    shell.wait("■ stopped")
    for stage in ("entry", "prepare", "bootparams"):
        shell.keys("F6")
        shell.wait(f"stopped at {stage}")
    for line in ("F5", "continue", 'python gdb.execute("continue")'):
        shell.keys(line) if line == "F5" else shell.type(line)
        shell.wait("running")
        shell.keys("C-c")
        shell.wait("■ stopped")
    shell.keys("C-q")
    shell.wait(tmux.PROMPT)

    assert "paused" == machine.status()
    assert [] == shell.leftovers()


def test_a_kernel_mismatch_is_reported_and_no_symbols_are_used(
    shell: Shell, foreign: Callable[..., Foreign], tmp_path: Path
) -> None:
    machine = foreign("-S")
    shell.start(f"attach {machine.stub} {rebuilt.teaching_guest(tmp_path / 'other.elf')}")
    shell.wait("■ stopped")
    shell.keys("F6")
    shell.wait("the kernel in memory is not")
    shell.wait("entry −")  # noqa: RUF001  a sign of the TUI
    shell.wait("no symbols")
    shell.type("info address xen_prepare_pvh")
    shell.wait('No symbol "xen_prepare_pvh" in current context')
    shell.type("pvh stages")
    shell.wait("another kernel is in memory")
    shell.keys("C-q")
    shell.wait(tmux.PROMPT)

    assert [] == shell.leftovers()


def test_f6_does_not_wait_for_stages_that_the_guest_has_passed(shell: Shell, foreign: Callable[..., Foreign]) -> None:
    shell.start(f"attach {foreign('-S').stub} {guest.ELF}")
    shell.wait("■ stopped")
    shell.type("hbreak halt")
    shell.keys("F5")
    shell.wait("breakpoint 1")
    shell.wait("e820 ◌")
    shell.keys("F6")
    shell.wait("no stages left")
    shell.keys("C-q")
    shell.wait(tmux.PROMPT)

    assert [] == shell.leftovers()


def test_a_guest_that_reboots_is_stopped_and_the_reset_is_reported(
    shell: Shell, foreign: Callable[..., Foreign], tmp_path: Path
) -> None:
    kernel = tmp_path / "dying.elf"
    kernel.write_bytes(tiny.dying())
    machine = foreign("-S", "-kernel", str(kernel))
    shell.start(f"attach {machine.stub} {kernel}")
    shell.wait("■ stopped")
    # Stay at the entry: after a disassembly, QEMU 7.2's microvm does not find its kernel at the next boot.
    shell.keys("F6")
    shell.wait("stopped at entry")
    shell.type("continue")
    shell.wait("the guest was reset and boots again")
    shell.wait("entry ○")
    shell.keys("C-q")
    shell.wait(tmux.PROMPT)

    assert [] == shell.leftovers()


def _port(pid: int) -> int:
    """Return the TCP port that a process listens on."""
    sockets = {str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()}
    for line in Path("/proc/net/tcp").read_text("ascii").splitlines()[1:]:
        words = line.split()
        if words[3] == "0A" and f"socket:[{words[9]}]" in sockets:
            return int(words[1].partition(":")[2], 16)
    raise LookupError(pid)


@pytest.fixture
def slow_qemu(tmp_path: Path) -> Path:
    """Return the path of a QEMU that starts once a file `go` exists in its folder."""
    path = tmp_path / "slow-qemu"
    path.write_text(f'#!/bin/sh\nwhile [ ! -e {tmp_path}/go ]; do sleep 0.05; done\nexec qemu-system-x86_64 "$@"\n')
    path.chmod(0o755)
    return path


def test_a_slow_start_is_shown_with_its_elapsed_time(shell: Shell, slow_qemu: Path) -> None:
    shell.start("--qemu", str(slow_qemu))
    shell.wait("waiting for gdb and QEMU to start: microvm tcg 512M")
    # Any number but 0: a busy computer may skip a second.
    shell.until(lambda text: re.search(r"starting [1-9][0-9]* s", text) is not None)
    slow_qemu.with_name("go").touch()
    shell.wait("stopped at prepare")
    shell.wait("0x336ec578")


def test_quitting_during_a_slow_start_leaves_nothing(shell: Shell, slow_qemu: Path) -> None:
    settings = shell.answer("stty -g")
    shell.start("--qemu", str(slow_qemu))
    shell.wait("waiting for gdb and QEMU to start")
    shell.keys("C-q")
    shell.wait(tmux.PROMPT)

    assert [] == shell.leftovers()
    assert_restored(shell, settings)


def test_the_error_of_a_slow_start_that_fails_is_printed_on_the_normal_screen(shell: Shell, slow_qemu: Path) -> None:
    settings = shell.answer("stty -g")
    slow_qemu.write_text(slow_qemu.read_text().replace("exec qemu-system-x86_64", "echo no luck >&2; exit 1 #"))
    shell.start("--qemu", str(slow_qemu))
    shell.wait("waiting for gdb and QEMU to start")
    slow_qemu.with_name("go").touch()
    shell.wait("pvhdbg: error:")

    assert "no luck" in shell.wait(tmux.PROMPT)
    assert_restored(shell, settings)
