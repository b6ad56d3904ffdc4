"""`pvh run-to` and what may happen on the way: the user's breakpoints, deaths, resets, interrupts."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from pvhdbg import guest
from pvhdbg.boot.record.replay import load
from tests import tiny
from tests.in_gdb import stock
from tests.in_gdb.booted import ENTRY, HEADING, boot, boot_tiny, stages_of

RUNNER = "python from pvhdbg.in_gdb.install import CURRENT; runner = CURRENT.session.runner"
INTERRUPT_SOON = (
    "python import os, signal, threading; threading.Timer(1, os.kill, (os.getpid(), signal.SIGINT)).start()"
)


def test_next_stage_runs_through_the_stages_and_leaves_no_breakpoint(tmp_path: Path) -> None:
    output = boot(tmp_path, *["pvh next-stage"] * 5, "info breakpoints", "pvh next-stage")

    assert ["entry", "prepare", "bootparams", "kernel", "e820"] == stages_of(output)[:5]
    assert output.texts[5].startswith("No breakpoints")
    assert ["no stages left after e820 (see `pvh stages` for what was captured)"] == output.errors
    assert "Breakpoint" not in output.out


@pytest.mark.parametrize("tcp", [False, True], ids=["unix", "tcp"])
def test_a_stub_on_either_kind_of_socket_works(tcp: bool, tmp_path: Path) -> None:
    with stock.qemu(tmp_path, guest.ELF, tcp=tcp) as machine:
        output = stock.pvh(tmp_path, machine, "pvh run-to bootparams", "pvh info", symbols=guest.ELF)

    assert ([], "bootparams") == (output.errors, stages_of(output)[1])


def test_all_stages_are_reached_under_kvm(kvm: None, tmp_path: Path) -> None:
    output = boot(tmp_path, "pvh run-to e820", "pvh stages", args=stock.KVM)

    assert [] == output.errors, kvm
    assert 5 == output.last.count("captured")


@pytest.mark.parametrize("where", [f"{ENTRY:#x}", str(guest.ELF)])
def test_without_symbols_the_user_may_pass_the_entry(where: str, tmp_path: Path) -> None:
    lines = ("pvh run-to entry", f"pvh run-to entry {where}", "pvh start-info", "pvh next-stage")
    output = boot(tmp_path, *lines, symbols=False)

    assert "the entry address is not known" in output.errors[0]
    assert "magic           0x336ec578  correct" in output.texts[2]
    assert ("prepare" == stages_of(output)[3]) == (where == str(guest.ELF))


def test_symbols_loaded_later_are_used_and_captures_stay(tmp_path: Path) -> None:
    lines = (f"pvh run-to entry {ENTRY:#x}", f"symbol-file {guest.ELF}", "pvh run-to prepare", "pvh info")
    output = boot(tmp_path, *lines, symbols=False)

    assert [] == output.errors
    assert "identical to start_info" in output.last


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("/bin/true", "no PVH entry"),
        ("/etc/passwd", "not an ELF file"),
        ("/nowhere", "No such file or directory"),
        ("08", '"08": not an octal number'),
    ],
)
def test_a_bad_address_or_file_is_an_error_of_one_line(where: str, message: str, tmp_path: Path) -> None:
    output = boot(tmp_path, f"pvh run-to entry {where}", symbols=False)

    assert message in output.errors[0]
    assert "\n" not in output.errors[0]


def test_a_breakpoint_of_the_users_that_is_hit_first_is_named(tmp_path: Path) -> None:
    lines = (
        f"hbreak *{ENTRY + 8:#x}",
        "pvh run-to e820",
        "p/x $pc",
        "delete",
        "pvh run-to prepare",
        "info breakpoints",
    )
    output = boot(tmp_path, *lines)

    assert [f"the guest stopped before it reached the next stage: breakpoint 1 (*{ENTRY + 8:#x})"] == output.errors
    assert f"$1 = {ENTRY + 8:#x}\n" == output.texts[2]
    assert "prepare" == stages_of(output)[4]
    assert output.last.startswith("No breakpoints")


def test_a_watchpoint_of_the_users_that_is_hit_first_is_named(tmp_path: Path) -> None:
    output = boot(tmp_path, "pvh run-to prepare", "watch pvh_bootparams.hdr.version", "pvh next-stage")

    assert [
        "the guest stopped before it reached the next stage: watchpoint 1 (pvh_bootparams.hdr.version)"
    ] == output.errors


def test_a_breakpoint_of_the_users_whose_commands_continue_is_passed(tmp_path: Path) -> None:
    lines = (
        f"hbreak *{ENTRY + 8:#x}",
        r"python gdb.breakpoints()[0].commands = 'silent\nset $passed = 42\ncontinue'",
        *("pvh run-to prepare", "p $passed"),
    )
    output = boot(tmp_path, *lines)

    assert [] == output.errors
    assert ["prepare", "$1 = 42"] == stages_of(output)[2:]


def test_a_breakpoint_of_the_users_at_a_stage_counts_as_the_stage(tmp_path: Path) -> None:
    output = boot(tmp_path, "hbreak xen_prepare_pvh", "pvh run-to prepare", "pvh next-stage", "info breakpoints")

    assert [] == output.errors
    assert ["prepare", "bootparams"] == stages_of(output)[1:3]
    assert "already hit 1 time" in output.last


def test_a_stage_reached_with_gdbs_own_commands_is_recognized(tmp_path: Path) -> None:
    output = boot(tmp_path, "hbreak xen_prepare_pvh", "continue", "pvh info", "finish", "pvh info", "pvh next-stage")

    assert [] == output.errors
    assert ["prepare", "bootparams", "kernel"] == [stages_of(output)[number] for number in (2, 4, 5)]


def test_an_entry_passed_without_a_capture_is_not_waited_for(tmp_path: Path) -> None:
    lines = (f"hbreak *{ENTRY + 8:#x}", "continue", "pvh info", "pvh run-to entry", "pvh next-stage")
    output = boot(tmp_path, *lines)

    assert output.texts[2].startswith("unseen: ")
    assert ["stage entry has been passed without a capture (start the guest again)"] == output.errors
    assert "prepare" == stages_of(output)[4]


def test_a_process_that_is_not_a_machine_gives_errors_of_one_line(tmp_path: Path) -> None:
    lines = ("starti", "pvh info", "pvh run-to entry", "p $pvh_phys(0)", "kill", "pvh info")
    output = stock.gdb(tmp_path, f"source {stock.SCRIPT}", *lines, symbols=Path("/bin/true"))

    assert output.texts[2].startswith("reset: ")
    assert 3 == len(output.errors)
    assert not [error for error in output.errors if "\n" in error]


def test_a_death_is_reported_and_a_dead_guest_is_not_resumed(tmp_path: Path) -> None:
    lines = (
        "pvh run-to entry",
        "set {int}$rbx = 0",
        "pvh run-to e820",
        "pvh info",
        "pvh next-stage",
        "pvh run-to kernel",
    )
    output = boot(tmp_path, *lines)

    assert ["died", "died"] == stages_of(output)[2:4]
    assert "died: triple fault at " in output.texts[2]
    assert ["the guest is dead (start the guest again)"] * 2 == output.errors


def test_a_death_after_gdbs_own_continue_is_recognized(tmp_path: Path) -> None:
    output = boot(
        tmp_path, "pvh run-to entry", "set {int}$rbx = 0", "continue", "pvh info", "pvh next-stage", "pvh cpu @died"
    )

    assert "died" == stages_of(output)[3]
    assert ["the guest is dead (start the guest again)"] == output.errors
    assert "ud2" not in output.last
    assert "cpu mode" in output.last


def test_a_qemu_that_exits_is_reported(tmp_path: Path) -> None:
    args = (
        *stock.TCG,
        *tiny.EXIT_DEVICE,
        "-action",
        "shutdown=poweroff",
    )  # in QEMU 9.0 and later, the device requests a shutdown
    output = boot_tiny(
        tmp_path, tiny.exiting(), "pvh run-to bootparams", "pvh info @entry", "pvh next-stage", args=args
    )

    assert "died: QEMU exited or closed its gdb stub; last stage reached: prepare" in output.texts[0]
    assert "entry" == stages_of(output)[1]
    assert ["the guest is dead (start the guest again)"] == output.errors


def test_a_guest_that_does_not_reach_the_address_is_stopped_after_the_timeout(tmp_path: Path) -> None:
    output = boot_tiny(
        tmp_path, tiny.waiting(), RUNNER, "python print(runner.run_to([16], 0.3).kind)", "info breakpoints"
    )

    assert "timeout\n" == output.texts[1]
    assert output.last.startswith("No breakpoints")


def test_ctrl_c_stops_the_guest_and_keeps_the_captures(tmp_path: Path) -> None:
    output = boot_tiny(tmp_path, tiny.waiting(), INTERRUPT_SOON, "pvh run-to prepare", "pvh stages", "info breakpoints")

    assert [] == output.errors
    assert "interrupted" in output.texts[1]
    assert "*  entry       captured" in output.texts[2]
    assert output.last.startswith("No breakpoints")


def test_one_breakpoint_too_many_for_the_cpu_is_an_error_of_one_line(kvm: None, tmp_path: Path) -> None:
    breakpoints = [f"hbreak *{address:#x}" for address in range(4)]
    output = boot(tmp_path, *breakpoints, "pvh run-to entry", "info breakpoints", args=stock.KVM)

    hint = "delete a breakpoint: under KVM, a CPU has only four, and gdb printed which one failed"
    assert [f"gdb can't insert a breakpoint ({hint})"] == output.errors, kvm
    assert 4 == output.last.count("hw breakpoint")


def test_another_machine_has_its_own_history(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with stock.qemu(tmp_path, guest.ELF) as one, stock.qemu(tmp_path / "other", guest.ELF) as other:
        lines = ("pvh run-to prepare", "disconnect", "pvh info @entry", f"target remote {other.where}", "pvh stages")
        output = stock.pvh(tmp_path, one, *lines, symbols=guest.ELF)

    assert [] == output.errors
    assert "entry" == stages_of(output)[2]
    assert 5 == output.last.count("not reached")


def test_answers_are_about_the_boot_cpu_whichever_thread_and_frame_is_selected(tmp_path: Path) -> None:
    lines = ("thread 2", "pvh cpu", "pvh stages", "p $_thread", "thread 1", "next", "step", "up", "pvh cpu", "frame")
    output = boot(tmp_path, "pvh run-to kernel", "pvh cpu", *lines, args=(*stock.TCG, "-smp", "2"))

    assert output.texts[1] == output.texts[3]
    assert (4, "$1 = 2\n") == (output.texts[4].count("captured"), output.texts[5])
    assert output.last.startswith("#1 ")


def test_a_recording_has_the_memory_that_the_user_wrote_after_the_last_command(tmp_path: Path) -> None:
    write = "set {unsigned char[4]} $rip = {0x11, 0x22, 0x33, 0x44}"
    lines = ("pvh run-to entry", "pvh info", write, "pvh info", f"pvh dump {tmp_path / 'run.json'}")
    output = boot(tmp_path, *lines)
    (stop,) = load(tmp_path / "run.json").stops

    assert [] == output.errors
    assert output.texts[1] == output.texts[3]
    assert bytes.fromhex("11223344") == stop.bytes_at(ENTRY, 4)


def test_commands_refuse_to_answer_while_the_guest_runs(tmp_path: Path) -> None:
    output = boot(tmp_path, "continue&", "pvh info", "pvh run-to entry", "p $pvh_phys(0)")

    assert ["the guest is running"] * 3 == output.errors


def test_the_stubs_memory_mode_is_always_reset(tmp_path: Path) -> None:
    mode = "maint packet qqemu.PhyMemMode"
    lines = ("pvh run-to kernel", mode, "pvh start-info 0xfffffff0", mode, "x/2x 0x1000", "pvh info", "x/2x 0x1000")
    output = boot(tmp_path, *lines)

    assert ['received: "0"', 'received: "0"'] == [output.texts[number].splitlines()[1] for number in (1, 3)]
    assert ["Cannot access memory at address 0x1000"] * 2 == output.errors


def test_registers_of_a_32_bit_machine_have_64_bit_names(tmp_path: Path) -> None:
    kernel = tmp_path / "kernel"
    kernel.write_bytes(tiny.returning(32))
    with stock.qemu(tmp_path, kernel, binary="qemu-system-i386") as machine:
        output = stock.pvh(
            tmp_path, machine, "pvh run-to bootparams", "pvh cpu", "p $pvh_phys(0x100000000)", symbols=kernel
        )

    assert "rbx        0x" in output.texts[1]
    assert ["gdb can't read above 4 GiB on a 32-bit machine: 8 bytes at 0x100000000"] == output.errors


def test_errors_print_no_traceback(tmp_path: Path) -> None:
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


def test_an_empty_line_repeats_only_next_stage(tmp_path: Path) -> None:
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
        output = subprocess.run(
            call,
            cwd=tmp_path,
            check=False,
            input="\n".join(lines),
            capture_output=True,
            text=True,
            timeout=stock.PATIENCE,
        ).stdout

    assert ["entry", "prepare", "bootparams", "bootparams"] == HEADING.findall(output.replace("(gdb) ", ""))
