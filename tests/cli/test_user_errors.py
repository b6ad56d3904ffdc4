"""A bad call or file: one line of error, at most one hint, and the right exit status."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from pvhdbg import guest
from pvhdbg.vmm_profiles import table
from tests import cpio
from tests.cli.shell import PVHDBG, Run, pvhdbg
from tests.image.builder import bzimage, elf, load, notes, raw_note
from tests.image.crafted import CRAFTED

OTHER_VMMS = [name for name in table.NAMES if name != table.QEMU]
BUILD_ID = raw_note(b"GNU\0", 3, bytes(range(20)))
ANOTHER_BUILD = elf([load(), notes(raw_note(b"GNU\0", 3, bytes(20)))])


def complaint(done: Run) -> tuple[int, str]:
    """Check the form of the error. Return the exit status and the message."""
    first, *hints = done.err.splitlines()

    assert "" == done.out
    assert re.fullmatch(r"pvhdbg: error: .+", first)
    assert [] == [line for line in hints if not re.fullmatch(r"  hint: .+", line)]
    assert len(hints) <= 1
    return done.status, first.removeprefix("pvhdbg: error: ")


def typed(words: object) -> str:
    """Return a call as the id of a test."""
    return " ".join(words) if isinstance(words, list) else "error"


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["--nonsense"], "unrecognized arguments: --nonsense"),
        (["--stage", "nowhere"], "argument --stage: invalid choice: 'nowhere' "),
        (["--stage"], "argument --stage: expected one argument"),
        (["--format", "xml"], "argument --format: invalid choice: 'xml' "),
        (["--accel", "xen"], "argument --accel: invalid choice: 'xen' "),
        (["-m", "12X"], "argument -m/--memory: invalid size: '12X'"),
        (["-m", "0"], "argument -m/--memory: must be greater than 0: '0'"),
        (["-m", "00G"], "argument -m/--memory: must be greater than 0: '00G'"),
        (["-m", "-5"], "argument -m/--memory: "),
        (["-m", ""], "argument -m/--memory: invalid size: ''"),
        *(
            (["--vmm", name, "-m", "2047K"], f"--vmm {name}: can't be used with -m 2047K: too little memory")
            for name in OTHER_VMMS
        ),
        (["--timeout", "0"], "argument --timeout: must be greater than 0 and less than 1000000: '0'"),
        (["--timeout", "nan"], "argument --timeout: must be greater than 0 and less than 1000000: 'nan'"),
        (["--timeout", "soon"], "argument --timeout: invalid number: 'soon'"),
        (["one", "two"], "unrecognized arguments: two"),
        (["-i", "one", "--initrd", "two"], "argument -i/--initrd: given more than once"),
        (["-m", "1G", "--stage", "entry", "-m1G"], "argument -m/--memory: given more than once"),
        (["--", "--nonsense"], "QEMU exited with status 1: --nonsense: invalid option"),
        (["--", "-daemonize"], "-daemonize: cannot be passed after `--`"),
        (["--", "-smp", "2", "-kernel", "x"], "-kernel: pvhdbg sets this option itself"),
        (["-M", "q35,accel=kvm"], 'QEMU exited with status 1: The -accel and "-machine accel=" options are incompat'),
        (["-M", "help"], "pvhdbg does not list machine types and CPUs"),
        (["-M", ""], "argument -M/--machine: must not be empty"),
        (["--cpu", ""], "argument --cpu: must not be empty"),
        (["--qemu", ""], "argument --qemu: must not be empty"),
        (["--gdb", ""], "argument --gdb: must not be empty"),
        (["-M", "pdp11"], 'unsupported machine type "pdp11"'),
        (["--cpu", "z80"], "QEMU exited with status 1: unable to find CPU model 'z80'"),
        (["-i", "/nonexistent"], "/nonexistent: No such file or directory"),
        (["-i", "/dev/zero"], "/dev/zero: not a regular file"),
        (["-i", "x" * 300], f"{'x' * 300}: File name too long"),
        (["--cpu", "x" * 5000], "argument --cpu: longer than 4096 characters"),
        (["-M", ",,,"], "QEMU exited with status 1: -machine ,,,: Invalid parameter ''"),
        (["--symbols", "/nonexistent"], "/nonexistent: No such file or directory"),
        (["-o", "/nonexistent/file"], "/nonexistent/file: cannot write: No such file or directory"),
    ],
    ids=typed,
)
def test_a_bad_option_of_dump_is_an_error_that_names_it(words: list[str], error: str) -> None:
    status, message = complaint(pvhdbg("dump", *words))

    assert (2, error) == (status, message[: len(error)])


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["nowhere"], "nowhere: No such file or directory"),
        (["show"], "the following arguments are required: RECORDING"),
        (["show", "nowhere"], "nowhere: No such file or directory"),
        (
            ["show", "nowhere", "--", "-smp", "2"],
            "`pvhdbg show` does not start QEMU, so it takes no arguments after --",
        ),
        (["inspect", "nowhere"], "nowhere: No such file or directory"),
        (["diff", f"{'x' * 300}@entry", "b"], f"{'x' * 300}: File name too long"),
        (["attach", ""], '"": not the address of a gdb stub'),
        (["attach", "0:1", "--mi-log", "/nowhere/x"], "can't write /nowhere/x: No such file or directory"),
    ],
    ids=typed,
)
def test_a_bad_call_of_another_command_is_an_error_that_names_it(words: list[str], error: str) -> None:
    assert (2, error) == complaint(pvhdbg(*words))


def content(name: str) -> bytes:
    """Return the content of a file that is not a kernel."""
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
        "a truncated bzImage": bzimage(bytes(0x200), 0x1000)[:-0x100],
        "gzip": b"\x1f\x8b\x08" + bytes(40),
    }[name]


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("empty", "is empty"),
        ("a text", "neither an ELF file nor a bzImage"),
        ("a recording", "not a kernel file (it looks like a recording)"),
        ("an initrd", "a cpio archive"),
        ("a start of an ELF file", "the file ends at 0x14, before the end of the ELF header "),
        ("half of an ELF file", "the file ends at "),
        ("an ELF file of no class", ""),
        ("a truncated bzImage", ""),
        ("gzip", "can't unpack the gzip file: gzip: "),
    ],
)
def test_the_error_for_a_file_that_is_not_a_kernel_says_what_it_is(tmp_path: Path, name: str, error: str) -> None:
    path = tmp_path / "kernel"
    path.write_bytes(content(name))
    status, message = complaint(pvhdbg("dump", path))

    assert 2 == status
    assert message.startswith(f"{path}: {error}")


@pytest.mark.parametrize("command", ["dump", "inspect", "show"])
def test_a_folder_fifo_link_loop_or_device_is_rejected_at_once(tmp_path: Path, command: str) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "loop").symlink_to("loop")
    for path in (tmp_path, tmp_path / "fifo", tmp_path / "loop", Path("/dev/zero"), Path("/proc/self/mem")):
        status, message = complaint(pvhdbg(command, path))

        assert 2 == status
        assert message.startswith(f"{path}: ")


def test_an_unreadable_file_is_rejected(tmp_path: Path) -> None:
    path = tmp_path / "kernel"
    path.write_bytes(guest.ELF.read_bytes())
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("root may read everything")

    assert (2, f"{path}: Permission denied") == complaint(pvhdbg("dump", path))


def test_control_characters_in_a_file_name_are_escaped(tmp_path: Path) -> None:
    path = tmp_path / "a\x1b[31m\nb\udcff"
    status, message = complaint(pvhdbg("dump", path))

    assert 2 == status
    assert message == rf"{tmp_path}/a\x1b[31m\x0ab\xff: No such file or directory"


def test_a_kernel_without_the_pvh_note_is_rejected_and_force_is_not_offered_because_qemu_refuses_it(
    tmp_path: Path,
) -> None:
    path = tmp_path / "kernel"
    path.write_bytes(elf([load(), notes(BUILD_ID)]))
    refused, forced = pvhdbg("dump", path), pvhdbg("dump", "--force", path)

    assert (1, f"{path}: no PHYS32_ENTRY note (owner Xen, type 18): not a PVH kernel (PVH514)") == complaint(refused)
    assert "--force" not in refused.err
    assert 1 == forced.status
    assert "PVH ELF Note" in forced.err


def test_every_fatal_verdict_is_printed_the_root_cause_first(tmp_path: Path) -> None:
    path = tmp_path / "kernel"
    path.write_bytes(CRAFTED["multiboot, 32 bit, no note"].data)
    done = pvhdbg("check", path)
    errors = [line.removeprefix(f"pvhdbg: error: {path}: ")[:22] for line in done.err.splitlines() if "error: " in line]

    assert (1, ["the file has a multibo", "no PHYS32_ENTRY note ("]) == (done.status, errors)
    assert 1 == done.err.count("start the kernel anyway with --force")


def test_a_big_endian_kernel_is_a_valid_elf_that_cannot_boot_via_pvh(tmp_path: Path) -> None:
    path = tmp_path / "kernel"
    path.write_bytes(content("an ELF file for a big machine"))

    assert 1 == complaint(pvhdbg("dump", path))[0]


def test_more_guest_memory_than_the_host_has_gives_status_3() -> None:
    status, message = complaint(pvhdbg("dump", "-m", "99999T"))

    assert 3 == status
    assert message.startswith("QEMU exited with status 1: ")


def test_symbols_of_another_build_are_rejected_with_a_remark(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_bytes(ANOTHER_BUILD)
    done = pvhdbg("dump", "--symbols", other, "--format", "json")

    assert 0 == done.status
    assert (
        f"pvhdbg: note: --symbols {other} is not used: its build-id is {'00' * 20}, but the kernel's build-id is "
        in done.err
    )
    assert "e820" == done.document["outcome"]["reached"]


def test_with_standard_error_closed_nothing_goes_to_standard_output() -> None:
    call = ["/bin/sh", "-c", 'exec "$@" 2>&-', "sh", *PVHDBG, "inspect", "/nonexistent"]
    done = subprocess.run(call, check=False, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=60)

    assert (2, b"") == (done.returncode, done.stdout)


def test_attach_to_a_kernel_file_leaves_the_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "kernel"
    path.write_bytes(b"kernel")
    done = pvhdbg("attach", path)

    assert (2, f"{path}: not a socket") == complaint(done)
    assert b"kernel" == path.read_bytes()


def test_attach_to_a_folder_or_a_fifo_is_rejected(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    assert (2, f"{tmp_path}: not a socket") == complaint(pvhdbg("attach", tmp_path))
    assert (2, f"{tmp_path}/pipe: not a socket") == complaint(pvhdbg("attach", tmp_path / "pipe"))


def test_a_misspelled_command_is_not_taken_for_a_kernel() -> None:
    done = pvhdbg("dumpp", "/some/vmlinux")

    assert (2, "") == (done.status, done.out)
    assert 'pvhdbg: error: no such command or file: "dumpp"\n  hint: did you mean `dump`?\n' == done.err


def test_all_standard_streams_may_be_closed() -> None:
    call = ["/bin/sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *PVHDBG, "dump", "--stage", "entry"]

    assert 2 == subprocess.run(call, check=False, timeout=120).returncode


def test_a_home_folder_that_does_not_exist_is_not_created(tmp_path: Path) -> None:
    home = tmp_path / "home"
    env = {name: value for name, value in os.environ.items() if not name.startswith("XDG_")}
    done = pvhdbg("dump", "--stage", "entry", env={**env, "HOME": str(home)})

    assert (0, "") == (done.status, done.err)
    assert not home.exists()
