"""A call or a file that is at fault: one line, a hint where there is one, and the exit status of the contract."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from pvhdbg import guest
from tests import cpio
from tests.cli.shell import PVHDBG, Run, pvhdbg
from tests.image.builder import elf, load, notes, raw_note

BUILD_ID = raw_note(b"GNU\0", 3, bytes(range(20)))
ANOTHER_BUILD = elf([load(), notes(raw_note(b"GNU\0", 3, bytes(20)))])


def complaint(done: Run) -> tuple[int, str]:
    """The exit status and the error, after a look at the form of both."""
    first, *hints = done.err.splitlines()

    assert "" == done.out
    assert re.fullmatch(r"pvhdbg: error: .+", first)
    assert [] == [line for line in hints if not re.fullmatch(r"  hint: .+", line)]
    assert len(hints) <= 1
    return done.status, first.removeprefix("pvhdbg: error: ")


def typed(words: object) -> str:
    """The words of a call, as a test's name."""
    return " ".join(words) if isinstance(words, list) else "it says why"


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["--nonsense"], "unrecognized arguments: --nonsense"),
        (["--stage", "nowhere"], "argument --stage: invalid choice: 'nowhere' "),
        (["--stage"], "argument --stage: expected one argument"),
        (["--format", "xml"], "argument --format: invalid choice: 'xml' "),
        (["--accel", "xen"], "argument --accel: invalid choice: 'xen' "),
        (["-m", "12X"], "argument -m/--memory: '12X' is no size"),
        (["-m", "0"], "argument -m/--memory: '0' is no size"),
        (["-m", "-5"], "argument -m/--memory: "),
        (["-m", ""], "argument -m/--memory: '' is no size"),
        (["--timeout", "0"], "argument --timeout: '0' is no number of seconds above 0"),
        (["--timeout", "nan"], "argument --timeout: 'nan' is no number of seconds above 0"),
        (["--timeout", "soon"], "argument --timeout: 'soon' is no number of seconds above 0"),
        (["one", "two"], "unrecognized arguments: two"),
        (["--", "--nonsense"], "QEMU exited with status 1: --nonsense: invalid option"),
        (["--", "-daemonize"], "-daemonize: cannot be passed to QEMU after `--`"),
        (["--", "-smp", "2", "-kernel", "x"], "-kernel: cannot be passed to QEMU after `--`"),
        (["-M", "q35,accel=kvm"], 'QEMU exited with status 1: The -accel and "-machine accel=" options are incompat'),
        (["-M", "help"], "the machine types and CPUs that there are QEMU lists itself"),
        (["-M", ""], "argument -M/--machine: it is empty"),
        (["--cpu", ""], "argument --cpu: it is empty"),
        (["--qemu", ""], "argument --qemu: it is empty"),
        (["--gdb", ""], "argument --gdb: it is empty"),
        (["-M", "pdp11"], "QEMU exited with status 1: unsupported machine type"),
        (["--cpu", "z80"], "QEMU exited with status 1: unable to find CPU model 'z80'"),
        (["-i", "/nonexistent"], "/nonexistent: No such file or directory"),
        (["-i", "/dev/zero"], "/dev/zero: is no regular file"),
        (["-i", "x" * 300], f"{'x' * 300}: File name too long"),
        (["--cpu", "x" * 5000], "argument --cpu: it is too long"),
        (["-M", ",,,"], "QEMU exited with status 1: -machine ,,,: Invalid parameter ''"),
        (["--symbols", "/nonexistent"], "/nonexistent: No such file or directory"),
        (["-o", "/nonexistent/file"], "can't write /nonexistent/file: No such file or directory"),
        (["--mi-log", "/nonexistent/file"], "can't write /nonexistent/file: No such file or directory"),
    ],
    ids=typed,
)
def test_a_call_that_cannot_be_followed_says_why(words: list[str], error: str) -> None:
    status, message = complaint(pvhdbg("dump", *words))

    assert (2, error) == (status, message[: len(error)])


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["nowhere"], "nowhere: No such file or directory"),
        (["show"], "the following arguments are required: RECORDING"),
        (["show", "nowhere"], "nowhere: No such file or directory"),
        (["show", "nowhere", "--", "-smp", "2"], "`pvhdbg show` starts no QEMU: it takes no arguments after --"),
        (["inspect", "nowhere"], "nowhere: No such file or directory"),
        (["diff", f"{'x' * 300}@entry", "b"], f"{'x' * 300}: File name too long"),
        (["attach", ""], "not a stub's address: ''"),
    ],
    ids=typed,
)
def test_so_does_one_of_another_command(words: list[str], error: str) -> None:
    assert (2, error) == complaint(pvhdbg(*words))


def content(name: str) -> bytes:
    """A file that is no kernel."""
    teaching = guest.ELF.read_bytes()
    return {
        "empty": b"",
        "a text": b"Hello.\n",
        "a recording": b'{"format": "pvhdbg"}',
        "an initrd": cpio.archive([("init", b"")]),
        "a start of an ELF file": teaching[:20],
        "half of an ELF file": teaching[: len(teaching) // 2],
        "an ELF file for a big machine": teaching[:5] + b"\2" + teaching[6:],
        "an ELF file of no class": teaching[:4] + b"\7" + teaching[5:],
        "a bzImage without its payload": bytes(0x1FE) + b"\x55\xaa\xeb\x66HdrS\x0f\x02" + bytes(0x200),
        "gzip": b"\x1f\x8b\x08" + bytes(40),
    }[name]


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("empty", "is empty"),
        ("a text", "neither an ELF file nor a bzImage"),
        ("a recording", "text, perhaps a recording"),
        ("an initrd", "a cpio archive"),
        ("a start of an ELF file", "the ELF header "),
        ("half of an ELF file", "the section headers end at "),
        ("an ELF file of no class", ""),
        ("a bzImage without its payload", ""),
        ("gzip", "a gzip file"),
    ],
)
def test_a_file_that_is_no_kernel_is_called_what_it_is(tmp_path: Path, name: str, error: str) -> None:
    path = tmp_path / "kernel"
    path.write_bytes(content(name))
    status, message = complaint(pvhdbg("dump", path))

    assert 2 == status
    assert message.startswith(f"{path}: {error}")


@pytest.mark.parametrize("command", ["dump", "inspect", "show"])
def test_what_is_no_file_is_refused_and_never_waited_for(tmp_path: Path, command: str) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "loop").symlink_to("loop")
    for path in (tmp_path, tmp_path / "fifo", tmp_path / "loop", Path("/dev/zero"), Path("/proc/self/mem")):
        status, message = complaint(pvhdbg(command, path))

        assert 2 == status
        assert message.startswith(f"{path}: ")


def test_a_file_that_may_not_be_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "kernel"
    path.write_bytes(guest.ELF.read_bytes())
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("root may read everything")

    assert (2, f"{path}: Permission denied") == complaint(pvhdbg("dump", path))


def test_a_name_steers_no_terminal_and_stays_on_its_line(tmp_path: Path) -> None:
    path = tmp_path / "a\x1b[31m\nb\udcff"
    status, message = complaint(pvhdbg("dump", path))

    assert 2 == status
    assert message == rf"{tmp_path}/a\x1b[31m\x0ab\xff: No such file or directory"


def test_a_kernel_without_the_note_is_refused_unless_it_is_forced(tmp_path: Path) -> None:
    path = tmp_path / "kernel"
    path.write_bytes(elf([load(), notes(BUILD_ID)]))
    refused, forced = pvhdbg("dump", path), pvhdbg("dump", "--force", path)

    assert (1, f"{path}: no PHYS32_ENTRY note (owner Xen, type 18)") == complaint(refused)
    assert "--force starts it all the same" in refused.err
    assert 1 == forced.status
    assert "PVH ELF Note" in forced.err


def test_a_big_endian_kernel_is_valid_and_no_pvh_guest(tmp_path: Path) -> None:
    path = tmp_path / "kernel"
    path.write_bytes(content("an ELF file for a big machine"))

    assert 1 == complaint(pvhdbg("dump", path))[0]


def test_memory_that_this_machine_has_not_is_this_machines_fault() -> None:
    status, message = complaint(pvhdbg("dump", "-m", "99999T"))

    assert 3 == status
    assert message.startswith("QEMU exited with status 1: ")


def test_symbols_of_another_build_are_not_used_and_that_is_said(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_bytes(ANOTHER_BUILD)
    done = pvhdbg("dump", "--symbols", other, "--format", "json")

    assert 0 == done.status
    assert f"pvhdbg: note: --symbols {other} is not used: its build-id is {bytes(20).hex()}, the kernel's " in done.err
    assert "e820" == done.document["outcome"]["reached"]


def test_an_error_that_has_nowhere_to_go_is_not_put_on_standard_output() -> None:
    call = ["/bin/sh", "-c", 'exec "$@" 2>&-', "sh", *PVHDBG, "inspect", "/nonexistent"]
    done = subprocess.run(call, check=False, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=60)

    assert (2, b"") == (done.returncode, done.stdout)


def test_attach_writes_nothing_over_a_kernel_that_is_named_in_its_place(tmp_path: Path) -> None:
    path = tmp_path / "kernel"
    path.write_bytes(b"kernel")
    done = pvhdbg("attach", path)

    assert (2, f"{path}: is no socket") == complaint(done)
    assert b"kernel" == path.read_bytes()


def test_attach_to_a_folder_or_a_pipe_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    assert (2, f"{tmp_path}: is no socket") == complaint(pvhdbg("attach", tmp_path))
    assert (2, f"{tmp_path}/pipe: is no socket") == complaint(pvhdbg("attach", tmp_path / "pipe"))


def test_a_misspelt_command_is_not_taken_for_a_kernel() -> None:
    done = pvhdbg("dumpp", "/some/vmlinux")

    assert (2, "") == (done.status, done.out)
    assert "pvhdbg: error: dumpp: no command, and no such file\n  hint: near to it: dump\n" == done.err
