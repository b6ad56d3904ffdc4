"""`pvh run-to` and what it meets: other people's breakpoints, deaths, a machine that is started again."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from pvhdbg import guest
from tests import tiny
from tests.in_gdb import stock
from tests.in_gdb.booted import ENTRY, HEADING, boot, boot_tiny, stages_of

RUNNER = "python from pvhdbg.in_gdb.install import SESSIONS; runner = SESSIONS.here.runner"
INTERRUPT_SOON = (
    "python import os, signal, threading; threading.Timer(1, os.kill, (os.getpid(), signal.SIGINT)).start()"
)


def test_the_stages_come_one_by_one_and_leave_no_breakpoint(tmp_path: Path) -> None:
    told = boot(tmp_path, *["pvh next-stage"] * 5, "info breakpoints", "pvh next-stage")

    assert ["entry", "prepare", "bootparams", "kernel", "e820"] == stages_of(told)[:5]
    assert told.texts[5].startswith("No breakpoints")
    assert ["e820 is the last stage"] == told.errors
    assert "Breakpoint" not in told.out


@pytest.mark.parametrize("tcp", [False, True], ids=["unix", "tcp"])
def test_a_stub_is_a_stub_whatever_its_socket(tcp: bool, tmp_path: Path) -> None:
    with stock.qemu(tmp_path, guest.ELF, tcp=tcp) as machine:
        told = stock.pvh(tmp_path, machine, "pvh run-to bootparams", "pvh info", symbols=guest.ELF)

    assert ([], "bootparams") == (told.errors, stages_of(told)[1])


def test_kvm_goes_through_all_stages(kvm: None, tmp_path: Path) -> None:
    told = boot(tmp_path, "pvh run-to e820", "pvh stages", args=stock.KVM)

    assert [] == told.errors, kvm
    assert 5 == told.last.count("captured")


@pytest.mark.parametrize("where", [f"{ENTRY:#x}", str(guest.ELF)])
def test_without_symbols_the_entry_is_told_by_hand(where: str, tmp_path: Path) -> None:
    lines = ("pvh run-to entry", f"pvh run-to entry {where}", "pvh start-info", "pvh next-stage")
    told = boot(tmp_path, *lines, symbols=False)

    assert "the entry address is not known" in told.errors[0]
    assert "magic           0x336ec578  correct" in told.texts[2]
    assert ("prepare" == stages_of(told)[3]) == (where == str(guest.ELF))


def test_symbols_that_come_later_are_used_and_what_was_captured_stays(tmp_path: Path) -> None:
    lines = (f"pvh run-to entry {ENTRY:#x}", f"symbol-file {guest.ELF}", "pvh run-to prepare", "pvh info")
    told = boot(tmp_path, *lines, symbols=False)

    assert [] == told.errors
    assert "equal to start_info" in told.last


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ("/bin/true", "has no PVH note"),
        ("/etc/passwd", "not an ELF file"),
        ("/nowhere", "No such file or directory"),
        ("08", "08 is no number"),
    ],
)
def test_what_tells_no_entry_is_one_line(where: str, words: str, tmp_path: Path) -> None:
    told = boot(tmp_path, f"pvh run-to entry {where}", symbols=False)

    assert words in told.errors[0]
    assert "\n" not in told.errors[0]


def test_a_breakpoint_of_the_user_s_that_comes_first_is_named(tmp_path: Path) -> None:
    lines = (
        f"hbreak *{ENTRY + 8:#x}",
        "pvh run-to e820",
        "p/x $pc",
        "delete",
        "pvh run-to prepare",
        "info breakpoints",
    )
    told = boot(tmp_path, *lines)

    assert [f"the guest was stopped on its way: breakpoint 1 (*{ENTRY + 8:#x})"] == told.errors
    assert f"$1 = {ENTRY + 8:#x}\n" == told.texts[2]
    assert "prepare" == stages_of(told)[4]
    assert told.last.startswith("No breakpoints")


def test_a_watchpoint_of_the_user_s_that_comes_first_is_named(tmp_path: Path) -> None:
    told = boot(tmp_path, "pvh run-to prepare", "watch pvh_bootparams.hdr.version", "pvh next-stage")

    assert ["the guest was stopped on its way: watchpoint 1 (pvh_bootparams.hdr.version)"] == told.errors


def test_a_breakpoint_of_the_user_s_that_goes_on_by_itself_is_passed_and_its_commands_are_run(tmp_path: Path) -> None:
    lines = (
        f"hbreak *{ENTRY + 8:#x}",
        r"python gdb.breakpoints()[0].commands = 'silent\nset $passed = 42\ncontinue'",
        *("pvh run-to prepare", "p $passed"),
    )
    told = boot(tmp_path, *lines)

    assert [] == told.errors
    assert ["prepare", "$1 = 42"] == stages_of(told)[2:]


def test_a_breakpoint_of_the_user_s_at_a_stage_is_that_stage(tmp_path: Path) -> None:
    told = boot(tmp_path, "hbreak xen_prepare_pvh", "pvh run-to prepare", "pvh next-stage", "info breakpoints")

    assert [] == told.errors
    assert ["prepare", "bootparams"] == stages_of(told)[1:3]
    assert "already hit 1 time" in told.last


def test_who_goes_by_hand_is_found_at_the_stage_he_comes_to(tmp_path: Path) -> None:
    told = boot(tmp_path, "hbreak xen_prepare_pvh", "continue", "pvh info", "finish", "pvh info", "pvh next-stage")

    assert [] == told.errors
    assert ["prepare", "bootparams", "kernel"] == [stages_of(told)[number] for number in (2, 4, 5)]


def test_an_entry_that_was_passed_unseen_is_not_waited_for(tmp_path: Path) -> None:
    lines = (f"hbreak *{ENTRY + 8:#x}", "continue", "pvh info", "pvh run-to entry", "pvh next-stage")
    told = boot(tmp_path, *lines)

    assert told.texts[2].startswith("unseen: ")
    assert ["stage entry has been passed (it was not captured)"] == told.errors
    assert "prepare" == stages_of(told)[4]


def test_a_process_that_is_no_machine_is_one_line(tmp_path: Path) -> None:
    lines = ("starti", "pvh info", "pvh run-to entry", "p $pvh_phys(0)", "kill", "pvh info")
    told = stock.gdb(tmp_path, f"source {stock.SCRIPT}", *lines, symbols=Path("/bin/true"))

    assert told.texts[2].startswith("reset: ")
    assert 3 == len(told.errors)
    assert not [each for each in told.errors if "\n" in each]


def test_a_death_is_told_and_a_dead_guest_is_not_resumed(tmp_path: Path) -> None:
    lines = (
        "pvh run-to entry",
        "set {int}$rbx = 0",
        "pvh run-to e820",
        "pvh info",
        "pvh next-stage",
        "pvh run-to kernel",
    )
    told = boot(tmp_path, *lines)

    assert ["died", "prepare"] == stages_of(told)[2:4]
    assert "died: triple fault at " in told.texts[2]
    assert ["the guest is dead (start it again)"] * 2 == told.errors


def test_a_death_that_came_by_hand_is_recognised(tmp_path: Path) -> None:
    told = boot(
        tmp_path, "pvh run-to entry", "set {int}$rbx = 0", "continue", "pvh info", "pvh next-stage", "pvh cpu @died"
    )

    assert "entry" == stages_of(told)[3]
    assert ["the guest is dead (start it again)"] == told.errors
    assert "ud2" not in told.last
    assert "cpu mode" in told.last


def test_a_qemu_that_ends_is_told(tmp_path: Path) -> None:
    args = (*stock.TCG, *tiny.LEAVING, "-action", "shutdown=poweroff")  # since QEMU 9.0 the device asks for a shutdown
    told = boot_tiny(tmp_path, tiny.leaving(), "pvh run-to bootparams", "pvh info @entry", "pvh next-stage", args=args)

    assert "died: QEMU exited or closed its gdb stub; last stage reached: prepare" in told.texts[0]
    assert "entry" == stages_of(told)[1]
    assert ["the guest is dead (start it again)"] == told.errors


def test_a_guest_that_never_comes_is_stopped_when_the_time_is_up(tmp_path: Path) -> None:
    told = boot_tiny(
        tmp_path, tiny.waiting(), RUNNER, "python print(runner.run_to([16], 0.3).kind)", "info breakpoints"
    )

    assert "timeout\n" == told.texts[1]
    assert told.last.startswith("No breakpoints")


def test_ctrl_c_stops_the_guest_and_keeps_what_was_captured(tmp_path: Path) -> None:
    told = boot_tiny(tmp_path, tiny.waiting(), INTERRUPT_SOON, "pvh run-to prepare", "pvh stages", "info breakpoints")

    assert [] == told.errors
    assert "interrupted" in told.texts[1]
    assert "*  entry       captured" in told.texts[2]
    assert told.last.startswith("No breakpoints")


def test_a_breakpoint_too_many_for_the_cpu_is_one_line(kvm: None, tmp_path: Path) -> None:
    taken = [f"hbreak *{address:#x}" for address in range(4)]
    told = boot(tmp_path, *taken, "pvh run-to entry", "info breakpoints", args=stock.KVM)

    assert ["gdb can't insert a breakpoint (delete one: gdb printed which one fails, and a CPU under KVM has four)"] == told.errors, kvm
    assert 4 == told.last.count("hw breakpoint")


def test_another_machine_has_a_history_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with stock.qemu(tmp_path, guest.ELF) as one, stock.qemu(tmp_path / "other", guest.ELF) as other:
        lines = ("pvh run-to prepare", "disconnect", "pvh info @entry", f"target remote {other.where}", "pvh stages")
        told = stock.pvh(tmp_path, one, *lines, symbols=guest.ELF)

    assert [] == told.errors
    assert "entry" == stages_of(told)[2]
    assert 5 == told.last.count("not reached")


def test_the_boot_cpu_is_looked_at_whichever_thread_and_frame_is_selected(tmp_path: Path) -> None:
    lines = ("thread 2", "pvh cpu", "pvh stages", "p $_thread", "thread 1", "next", "step", "up", "pvh cpu", "frame")
    told = boot(tmp_path, "pvh run-to kernel", "pvh cpu", *lines, args=(*stock.TCG, "-smp", "2"))

    assert told.texts[1] == told.texts[3]
    assert (4, "$1 = 2\n") == (told.texts[4].count("captured"), told.texts[5])
    assert told.last.startswith("#1 ")


def test_while_the_guest_runs_it_says_so(tmp_path: Path) -> None:
    told = boot(tmp_path, "continue&", "pvh info", "pvh run-to entry", "p $pvh_phys(0)")

    assert ["the guest is running"] * 3 == told.errors


def test_the_stub_s_memory_mode_is_always_given_back(tmp_path: Path) -> None:
    mode = "maint packet qqemu.PhyMemMode"
    lines = ("pvh run-to kernel", mode, "pvh start-info 0xfffffff0", mode, "x/2x 0x1000", "pvh info", "x/2x 0x1000")
    told = boot(tmp_path, *lines)

    assert ['received: "0"', 'received: "0"'] == [told.texts[number].splitlines()[1] for number in (1, 3)]
    assert ["Cannot access memory at address 0x1000"] * 2 == told.errors


def test_a_32_bit_machine_s_registers_have_their_64_bit_names(tmp_path: Path) -> None:
    kernel = tmp_path / "kernel"
    kernel.write_bytes(tiny.returning(32))
    with stock.qemu(tmp_path, kernel, binary="qemu-system-i386") as machine:
        told = stock.pvh(
            tmp_path, machine, "pvh run-to bootparams", "pvh cpu", "p $pvh_phys(0x100000000)", symbols=kernel
        )

    assert "rbx        0x" in told.texts[1]
    assert ["gdb can't read above 4 GiB on a 32-bit machine: 8 bytes at 0x100000000"] == told.errors


def test_nothing_of_gdb_s_own_prints_a_traceback(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            "gdb",
            "-nx",
            "-batch",
            "-ex",
            f"source {stock.SCRIPT}",
            *[word for line in MISTAKES for word in ("-ex", line)],
        ],
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
        timeout=stock.PATIENCE,
    )

    assert "Traceback" not in done.stderr
    assert "Error occurred" not in done.stderr
    assert len(MISTAKES) == len(done.stderr.splitlines())


MISTAKES = (
    *("pvh info", "pvh nonsense", "pvh st", "pvh run-to", "pvh run-to nowhere", "pvh bootparams", "pvh open /nowhere"),
    *("pvh dump /", "pvh explain no-such-thing", "pvh code 1*(", "pvh info '", "p $pvh_phys()", "p $pvh_phys(0, 0)"),
    *("p $pvh_e820(1)", "p $pvh_e820()", "p $pvh_start_info(1, 2)", "p $pvh_phys(nonsense)"),
)


def test_an_empty_line_goes_on_to_the_next_stage_and_repeats_nothing_else(tmp_path: Path) -> None:
    lines = ["pvh next-stage", "", "", "pvh stages", "", "pvh info", "", "quit"]
    with stock.qemu(tmp_path, guest.ELF) as machine:
        call = [
            "gdb",
            "-nx",
            "-q",
            str(guest.ELF),
            "-ex",
            f"source {stock.SCRIPT}",
            "-ex",
            f"target remote {machine.where}",
        ]
        told = subprocess.run(
            call,
            cwd=tmp_path,
            check=False,
            input="\n".join(lines),
            capture_output=True,
            text=True,
            timeout=stock.PATIENCE,
        ).stdout

    assert ["entry", "prepare", "bootparams", "bootparams"] == HEADING.findall(told.replace("(gdb) ", ""))
