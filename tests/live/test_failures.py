import os
from pathlib import Path

import pytest

from pvhdbg import guest
from pvhdbg.errors import GuestError, MachineError, PvhdbgError, UserError
from pvhdbg.live.debuggee.own_machine import OwnMachine
from pvhdbg.live.gdb.process import GdbOptions
from pvhdbg.live.qemu.options import QemuOptions

TEACHING = QemuOptions(str(guest.ELF))
PASS_QEMU = "pass the path of qemu-system-x86_64 with --qemu"
PASS_GDB = "pass the path of gdb with --gdb"


def failure(options: QemuOptions = TEACHING, gdb: GdbOptions | None = None) -> PvhdbgError:
    """Start a machine that must not start, and return the error."""
    try:
        with OwnMachine(gdb) as machine:
            machine.boot(options)
            machine.wait_ready()
    except PvhdbgError as error:
        return error
    pytest.fail("the machine started")


def described(error: PvhdbgError) -> tuple[type[PvhdbgError], str, str | None]:
    return type(error), str(error), error.hint


def script(path: Path, text: str) -> str:
    """Write an executable shell script."""
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_a_missing_qemu_is_a_machine_error() -> None:
    message = "can't start /nowhere/qemu: No such file or directory"

    assert (MachineError, message, PASS_QEMU) == described(failure(TEACHING._replace(binary="/nowhere/qemu")))


def test_a_missing_gdb_is_a_machine_error(tmp_path: Path) -> None:
    options = GdbOptions(binary="/nowhere/gdb", mi_log=str(tmp_path / "log"))
    message = "can't start /nowhere/gdb: No such file or directory"

    assert (MachineError, message, PASS_GDB) == described(failure(gdb=options))


def test_the_hint_for_a_missing_program_that_the_user_did_not_name_is_its_package(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")

    assert "install the package gdb" == failure().hint
    assert "install the package qemu-system-x86" == failure(gdb=GdbOptions(binary="/usr/bin/gdb")).hint


def test_the_error_for_a_qemu_that_exits_at_once_has_its_message(tmp_path: Path) -> None:
    qemu = script(tmp_path / "qemu", 'echo "some library: is missing" >&2; exit 127')
    message = "QEMU exited with status 127: some library: is missing"

    assert (MachineError, message, PASS_QEMU) == described(failure(TEACHING._replace(binary=qemu)))


def test_the_error_for_a_gdb_that_exits_at_once_has_its_message(tmp_path: Path) -> None:
    gdb = script(tmp_path / "gdb", '[ "$1" = --version ] || echo "some library: is missing" >&2; exit 127')
    message = "gdb exited with status 127: some library: is missing"

    assert (MachineError, message, PASS_GDB) == described(failure(gdb=GdbOptions(binary=gdb)))


def test_the_error_for_an_old_qemu_names_the_version_needed(tmp_path: Path) -> None:
    qemu = script(tmp_path / "qemu", '[ "$1" != --version ] && exit 1; echo "QEMU emulator version 4.1.0"')

    error = failure(TEACHING._replace(binary=qemu))

    assert f"{qemu}: version 4.1 is too old" == str(error)
    assert "pass the path of qemu-system-x86_64 5.2 or newer with --qemu" == error.hint


def test_the_error_for_an_old_gdb_names_the_version_needed(tmp_path: Path) -> None:
    gdb = script(tmp_path / "gdb", '[ "$1" != --version ] && exit 1; echo "GNU gdb (Debian 8.2.1-2+b3) 8.2.1"')

    error = failure(gdb=GdbOptions(binary=gdb))

    assert f"{gdb}: version 8.2 is too old" == str(error)
    assert "pass the path of gdb 11.0 or newer with --gdb" == error.hint


def test_the_error_for_an_unknown_machine_type_or_cpu_says_how_to_list_them() -> None:
    machine, cpu = failure(TEACHING._replace(machine="pdp11,x=y")), failure(TEACHING._replace(cpu="z80"))

    assert ('unsupported machine type "pdp11"', "list them with: qemu-system-x86_64 -M help") == described(machine)[1:]
    assert "list them with: qemu-system-x86_64 -cpu help" == cpu.hint


def test_a_64_bit_kernel_in_a_qemu_for_32_bit_guests_is_named() -> None:
    error = failure(TEACHING._replace(binary="qemu-system-i386"))

    assert (UserError, "qemu-system-i386 can't load a 64-bit kernel", "use qemu-system-x86_64 (--qemu)") == described(
        error
    )


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        (TEACHING._replace(args=("-bogus",)), UserError, "-bogus: invalid option"),
        (TEACHING._replace(args=("-device", "nonsense")), UserError, "'nonsense' is not a valid device model name"),
        (TEACHING._replace(args=("-version",)), UserError, "QEMU exited with status 0"),
        (TEACHING._replace(machine="nonsense"), UserError, "unsupported machine type"),
        (TEACHING._replace(cpu="nonsense"), UserError, "unable to find CPU model 'nonsense'"),
        (TEACHING._replace(memory="nonsense"), UserError, "expects a non-negative number"),
        (TEACHING._replace(accel="nonsense"), UserError, "invalid accelerator nonsense"),
        (TEACHING._replace(initrd="/nowhere/initrd"), UserError, "error reading initrd /nowhere/initrd"),
        (TEACHING._replace(kernel="/nowhere/kernel"), UserError, "could not open kernel file '/nowhere/kernel'"),
        (TEACHING._replace(kernel="/bin/true"), GuestError, "Error loading uncompressed kernel without PVH ELF Note"),
        (TEACHING._replace(memory="900000G"), MachineError, "cannot set up guest memory"),
        (TEACHING._replace(cpu="host"), UserError, "requires KVM"),
        (TEACHING._replace(memory="64,slots=2"), UserError, "slots specified but no max-size"),
        (TEACHING._replace(args=("-smp", "4096")), UserError, "Invalid SMP CPUs 4096"),
        (TEACHING._replace(args=("-bios", "/kvm/nofile")), UserError, "could not load PC BIOS '/kvm/nofile'"),
        (TEACHING._replace(machine="microvm,nonsense=on"), UserError, "microvm-machine.nonsense' not found"),
    ],
)
def test_an_error_from_qemu_is_attributed_to_its_cause(
    options: QemuOptions, kind: type[PvhdbgError], words: str
) -> None:
    error = failure(options)

    assert kind is type(error)
    assert words in str(error)


def test_an_initrd_that_is_larger_than_the_memory_gets_the_hint_to_give_more(tmp_path: Path) -> None:
    initrd = tmp_path / "initrd"
    initrd.touch()
    os.truncate(initrd, 100 << 20)
    kind, message, hint = described(failure(TEACHING._replace(initrd=str(initrd), memory="64M")))

    assert (UserError, "give the guest more memory with -m, or pass a smaller initrd") == (kind, hint)
    assert "initrd is too large" in message


def test_an_error_of_unknown_cause_from_a_qemu_that_runs_gets_no_hint(tmp_path: Path) -> None:
    qemu = script(
        tmp_path / "qemu", 'test "$1" = --version && exec qemu-system-x86_64 --version; echo "new: error" >&2; exit 1'
    )

    assert (MachineError, "QEMU exited with status 1: new: error", None) == described(
        failure(TEACHING._replace(binary=qemu))
    )


def test_a_qemu_that_would_outlive_pvhdbg_is_not_started() -> None:
    assert UserError is type(failure(TEACHING._replace(args=("-daemonize",))))


def test_a_kernel_that_crashes_qemu_is_a_guest_error(tmp_path: Path) -> None:
    image = bytearray(guest.ELF.read_bytes())
    for at in range(64, 64 + 56 * image[56], 56):
        image[at + 48 : at + 56] = bytes(8)  # p_align
    kernel = tmp_path / "kernel"
    kernel.write_bytes(image)
    error = failure(TEACHING._replace(kernel=str(kernel)))

    assert (
        GuestError,
        "QEMU was killed by SIGFPE while loading the kernel",
        "check the file with `pvhdbg inspect KERNEL`",
    ) == described(error)


def test_an_mi_log_that_cannot_be_written_is_a_user_error() -> None:
    error = failure(gdb=GdbOptions(mi_log="/nowhere/log"))

    assert (UserError, "can't write /nowhere/log: No such file or directory", None) == described(error)


def test_the_mi_log_has_every_line_in_both_directions(tmp_path: Path) -> None:
    with OwnMachine(GdbOptions(mi_log=str(tmp_path / "log"))) as machine:
        machine.boot(TEACHING)
        machine.wait_ready()
    lines = (tmp_path / "log").read_text().splitlines()

    assert "< 1-gdb-set mi-async on" in lines
    assert "> 1^done" in lines
    assert lines[: len(machine.gdb.process.recent)] == list(machine.gdb.process.recent)


@pytest.mark.parametrize("name", ["long" * 40, "with a space", "with, a comma"])
def test_any_runtime_folder_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    place = tmp_path / name
    place.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(place))
    with OwnMachine() as machine:
        machine.boot(TEACHING)
        machine.wait_ready()
        mode = machine.folder.stat().st_mode

        assert 0o40700 == mode
        assert 0xFFF0 == machine.target.register("rip")
    assert [] == os.listdir(place)  # noqa: PTH208  names are enough


def _descriptor(path: Path) -> int:
    """Return the descriptor of a file that this process has open."""
    links = Path("/proc/self/fd").iterdir()
    return next(int(link.name) for link in links if link.is_symlink() and link.readlink() == path)


def test_a_full_disk_is_reported_once_and_gdb_continues_without_its_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with OwnMachine(GdbOptions(mi_log=str(log))) as machine:
        machine.boot(TEACHING)
        machine.wait_ready()
        with Path("/dev/full").open("wb") as full:
            os.dup2(full.fileno(), _descriptor(log))
        with pytest.raises(UserError, match=r"^can't write .*/log: No space left on device$"):
            machine.gdb.ask("-gdb-version")

        assert 0xFFF0 == machine.target.register("rip")
    assert not machine.folder.exists()
