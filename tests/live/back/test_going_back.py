"""Going back to a stage, with real machines."""

from __future__ import annotations

import hashlib
import os
import resource
from contextlib import suppress
from pathlib import Path

import pytest

from pvhdbg import commands
from pvhdbg.boot.stop import stages
from pvhdbg.errors import UserError
from pvhdbg.live.back.going_back import RewindableDebuggee
from pvhdbg.live.debuggee.debuggee import Debuggee
from pvhdbg.live.qemu import process, snapshots
from tests.live.back.conftest import Start, state_of
from tests.live.conftest import Boot

LATER = ("bootparams", "kernel", "e820")


def to_the_end(debuggee: RewindableDebuggee) -> dict[str, tuple[object, ...]]:
    """Run from stage to stage, with a snapshot at each. Return the state at each."""
    states = {}
    for stage in LATER:
        debuggee.next_stage()
        states[stage] = state_of(debuggee)
        debuggee.keep_snapshot()
    return states


@pytest.mark.parametrize("machine", ["microvm", "pc", "q35"])
def test_stages_are_the_same_after_going_back_and_forward_again(at_prepare: Start, machine: str) -> None:
    debuggee = at_prepare(machine=machine)
    before = {"prepare": state_of(debuggee), **to_the_end(debuggee)}

    back = {stage: (debuggee.back(None).stage, state_of(debuggee)) for stage in ("kernel", "bootparams", "prepare")}

    assert {stage: (stage, before[stage]) for stage in back} == back
    assert before == {"prepare": state_of(debuggee), **to_the_end(debuggee)}


def test_debians_kernel_goes_back_to_each_stage_and_forward_again(at_prepare: Start, vmlinux_61: Path) -> None:
    debuggee = at_prepare(vmlinux_61)
    before = to_the_end(debuggee)

    debuggee.back("bootparams")

    assert before["bootparams"] == state_of(debuggee)
    assert "bootparams" == debuggee.position().stage
    debuggee.next_stage()
    assert before["kernel"] == state_of(debuggee)


def test_a_stage_without_a_snapshot_is_reached_from_an_earlier_one(at_prepare: Start) -> None:
    debuggee = at_prepare()
    before = to_the_end(at_prepare())
    debuggee.to_stage("e820")

    position = debuggee.back("kernel")

    assert ("kernel", before["kernel"]) == (position.stage, state_of(debuggee))


def test_a_stage_before_the_first_snapshot_is_reached_by_a_restart(at_prepare: Start) -> None:
    debuggee = at_prepare()
    entry = debuggee.journey.history[0]
    qemu = debuggee.machine.qemu

    position = debuggee.back(None)

    assert ("entry", entry.registers, entry.memory) == (position.stage, *state_of(debuggee)[1:])
    assert debuggee.machine.qemu is not qemu


def test_a_dead_guest_is_alive_after_going_back_and_dies_again(at_prepare: Start) -> None:
    debuggee = at_prepare(changes=("start_info.magic=0",))
    prepare = state_of(debuggee)
    first = debuggee.resume("continue").halt
    debuggee.keep_snapshot()

    position = debuggee.back(None)

    assert ("died", "triple-fault") == (first.kind, first.how)
    assert ("prepare", prepare) == (position.stage, state_of(debuggee))
    assert None is debuggee.session.outcome.died
    stepped = debuggee.resume("stepi")
    assert ("elsewhere", True) == (stepped.halt.kind, stepped.halt.rip != position.halt.rip)
    assert first == debuggee.resume("continue").halt


def test_what_the_user_changed_is_undone_and_breakpoints_stay(at_prepare: Start) -> None:
    debuggee = at_prepare()
    kernel = state_of(debuggee)
    debuggee.console("set var $rbx = 0x1234", lambda: None)
    debuggee.console("hbreak *0x1000", lambda: None)
    debuggee.machine.target.write_phys(0x5000, b"changed")

    position = debuggee.back("prepare")

    assert "back at stage prepare: what changed since then is undone" == position.remark
    assert kernel == state_of(debuggee)
    assert bytes(7) == debuggee.machine.target.read_phys(0x5000, 7)
    assert "0x0000000000001000" in debuggee.machine.gdb.ask("-break-list").line


def test_later_stages_are_listed_as_from_before_until_they_are_captured_again(at_prepare: Start) -> None:
    debuggee = at_prepare()
    to_the_end(debuggee)
    debuggee.back("bootparams")
    listed = commands.run(debuggee.session, "stages").splitlines()

    assert [
        (stages.UNDONE in line, "captured" in line) for line in listed if line.split()[0] in ("kernel", "e820")
    ] == [(True, False)] * 2
    debuggee.next_stage()
    assert ["e820"] == debuggee.session.undone


def test_serial_output_is_cut_to_the_place_of_the_snapshot(at_prepare: Start) -> None:
    debuggee = at_prepare()
    assert debuggee.machine.qemu is not None
    serial = debuggee.machine.qemu.serial
    before = serial.complete()
    debuggee.to_stage("e820")
    first = serial.complete()

    debuggee.back("prepare")

    assert before == serial.text()
    debuggee.to_stage("e820")
    assert first == serial.complete()


def test_a_disk_of_the_user_is_not_changed(at_prepare: Start, tmp_path: Path) -> None:
    image = tmp_path / "user.qcow2"
    image.write_bytes(_qcow2())
    before = hashlib.sha256(image.read_bytes()).hexdigest()
    drive = f"file={image},format=qcow2,if=none,id=user"
    debuggee = at_prepare(machine="q35", args=("-drive", drive, "-device", "virtio-blk-pci,drive=user"))
    to_the_end(debuggee)
    debuggee.back("prepare")
    debuggee.machine.close()

    assert before == hashlib.sha256(image.read_bytes()).hexdigest()


def _qcow2() -> bytes:
    """Return an empty qcow2 image of 1 MiB, version 2, with clusters of 64 KiB. See QEMU's docs/interop/qcow2.txt."""
    cluster = 1 << 16
    numbers = ((b"QFI\xfb", 4), (2, 4), (0, 8), (0, 4), (16, 4), (1 << 20, 8), (0, 4), (1, 4))
    header = b"".join(value if isinstance(value, bytes) else value.to_bytes(size, "big") for value, size in numbers)
    header += b"".join(value.to_bytes(size, "big") for value, size in ((3 * cluster, 8), (cluster, 8), (1, 4), (0, 4)))
    header += (0).to_bytes(8, "big")
    table = (2 * cluster).to_bytes(8, "big")
    counts = (1).to_bytes(2, "big") * 4
    return b"".join(part.ljust(cluster, b"\0") for part in (header, table, counts, b""))


def test_the_file_of_the_snapshots_has_no_name(at_prepare: Start) -> None:
    debuggee = at_prepare()
    assert debuggee.machine.qemu is not None
    descriptors = Path(f"/proc/{debuggee.machine.qemu.pid}/fd")
    files = []
    for name in os.listdir(descriptors):  # noqa: PTH208
        with suppress(FileNotFoundError):  # QEMU opens and closes files while it runs
            files.append(os.readlink(descriptors / name))  # noqa: PTH115

    inherited_and_opened = 2
    assert inherited_and_opened == files.count(f"{debuggee.machine.folder}/snapshots (deleted)")
    assert ["gdb", "gdb.stderr", "qemu.stderr", "qmp"] == sorted(os.listdir(debuggee.machine.folder))  # noqa: PTH208


def test_where_the_fastest_way_to_the_file_is_forbidden_another_one_is_used(
    at_prepare: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "_WAYS", ("forbidden", "threads"))
    debuggee = at_prepare()
    prepare = state_of(debuggee)
    debuggee.next_stage()

    debuggee.back(None)

    assert prepare == state_of(debuggee)


def test_if_qemu_cannot_open_the_file_its_reason_is_reported(
    at_prepare: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "_WAYS", ("forbidden",))
    debuggee = at_prepare()

    with pytest.raises(UserError, match=r"^can't go back: .*forbidden"):
        debuggee.back(None)
    assert "bootparams" == debuggee.next_stage().stage


def test_without_snapshots_the_reason_is_reported(at_prepare: Start) -> None:
    debuggee = at_prepare(no_snapshots="snapshots are off (--snapshots off)")
    assert debuggee.machine.qemu is not None

    with pytest.raises(UserError, match=r"^can't go back: snapshots are off \(--snapshots off\)$") as error:
        debuggee.back(None)
    assert "restart pvhdbg with --snapshots on" == error.value.hint
    descriptors = Path(f"/proc/{debuggee.machine.qemu.pid}/fd")
    assert not any("snapshots" in os.readlink(descriptors / name) for name in os.listdir(descriptors))  # noqa: PTH115, PTH208


def test_without_space_the_session_runs_without_snapshots(at_prepare: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "ROOM_FOR_SNAPSHOTS", 1 << 60)
    debuggee = at_prepare()

    with pytest.raises(UserError, match=r"^can't go back: .* has less than .* of free space$"):
        debuggee.back(None)
    assert "bootparams" == debuggee.next_stage().stage


def test_a_limit_on_the_size_of_files_turns_snapshots_off_because_it_would_kill_qemu(
    at_prepare: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1 << 40, 1 << 40))
    debuggee = at_prepare()

    with pytest.raises(UserError, match=r"^can't go back: the size of files is limited \(`ulimit -f`\)$"):
        debuggee.back(None)


def test_if_the_disk_is_full_later_the_snapshots_end_and_the_session_goes_on(
    at_prepare: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    debuggee = at_prepare()
    monkeypatch.setattr(process, "ROOM_FOR_SNAPSHOTS", 1 << 60)
    debuggee.next_stage()
    debuggee.keep_snapshot()

    with pytest.raises(UserError, match=r"^can't go back: .* of free space$"):
        debuggee.back(None)
    assert "kernel" == debuggee.next_stage().stage


def test_a_device_that_blocks_snapshots_is_named(at_prepare: Start) -> None:
    debuggee = at_prepare(machine="q35,kernel-irqchip=split", args=("-device", "amd-iommu"))

    with pytest.raises(UserError, match=r"^can't go back: .*amd-iommu") as error:
        debuggee.back(None)
    assert error.value.hint is None  # --snapshots on would not help
    assert "bootparams" == debuggee.next_stage().stage


def test_a_stage_that_was_not_captured_is_refused(at_prepare: Start) -> None:
    debuggee = at_prepare()

    with pytest.raises(UserError, match=r"^can't go back: stage kernel was not captured before here$"):
        debuggee.back("kernel")
    debuggee.back("entry")
    with pytest.raises(UserError, match=r"^can't go back: no stage was captured before here$"):
        debuggee.back(None)


def test_a_machine_that_pvhdbg_did_not_start_and_a_command_without_a_screen_say_why_not(boot: Boot) -> None:
    machine = boot()
    debuggee = Debuggee(machine, None, None, 30)

    for way in (debuggee.step_back, debuggee.continue_back, lambda: debuggee.back("entry")):
        with pytest.raises(UserError, match=r"^can't go back: pvhdbg did not start this machine$"):
            way()
    with pytest.raises(UserError, match=r"^can't go back: only pvhdbg's screen takes snapshots$"):
        commands.run(debuggee.session, "back")
