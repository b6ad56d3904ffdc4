"""`pvhdbg dump` of the teaching guest, to a pipe and to files."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from pvhdbg.abi.cpu import REGISTERS
from pvhdbg.boot.stop import stages
from tests.cli.shell import PATIENCE, PVHDBG, pvhdbg

DOCUMENT = ["format", "format_version", "pvhdbg", "kernel", "machine", "stops", "outcome"]
KERNEL = ["path", "kind", "class", "guest", "machine", "entry", "build_id", "release", "segments", "notes"]
MACHINE = ["qemu", "machine", "accel", "cpu", "memory", "append", "initrd", "argv", "rewrites", "initrd_size"]
STOP = [
    *("stage", "rip", "address_kind", "cpu_mode", "registers", "start_info", "pvh_start_info", "cmdline", "modules"),
    *(
        "memory_map",
        "boot_params",
        "kernel_boot_params",
        "e820_table",
        "findings",
        "memory",
        "symbols",
        "missing",
        *("overwritten", "gdt", "code", "serial", "log"),
    ),
]
FIRST_REGISTERS = ["rip", "rbx", "rsp", "cr0", "cr3", "cr4", "efer", "eflags", "cs", "ss", "ds", "es", "fs", "gs"]
START_INFO = [
    *("paddr", "magic", "version", "flags", "nr_modules", "modlist_paddr", "cmdline_paddr", "rsdp_paddr"),
    *("memmap_paddr", "memmap_entries", "reserved"),
]


@pytest.fixture(scope="module")
def text() -> str:
    done = pvhdbg("dump")
    assert (0, "") == (done.status, done.err)
    return done.out


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("saved") / "boot.json"
    assert (0, "", "") == pvhdbg("dump", "-o", path)
    return path


def test_the_text_has_every_stage_and_the_outcome(text: str) -> None:
    headings = [f"{stage.name}: {stage.about}" for stage in stages.STAGES]

    assert headings == [line for line in text.splitlines() if line in headings]
    assert "done: reached e820; not watched after e820; findings: 2 info" == text.splitlines()[-1]


def test_without_a_terminal_the_default_command_is_dump(text: str) -> None:
    assert (0, text, "") == pvhdbg()


def test_json_has_all_keys_in_the_documented_order(saved: Path) -> None:
    document = json.loads(saved.read_text("utf-8"))
    stop = document["stops"][1]

    assert DOCUMENT == [*document]
    assert KERNEL == [*document["kernel"]]
    assert MACHINE == [*document["machine"]]
    assert [STOP] * 5 == [[*keys] for keys in document["stops"]]
    assert [*REGISTERS] == [*stop["registers"]]
    assert FIRST_REGISTERS == [*REGISTERS][: len(FIRST_REGISTERS)]
    assert [START_INFO] * 2 == [[*stop["start_info"]], [*stop["pvh_start_info"]]]
    assert ["protocol", "paddr", "nr_entries", "entries"] == [*stop["memory_map"]]
    assert ["addr", "size", "type", "type_name"] == [*stop["memory_map"]["entries"][0]]
    assert ("done", "e820", None) == tuple(document["outcome"][key] for key in ("ended", "reached", "died"))
    assert ["reached", "ended", "died", "timeout", "watched"] == [*document["outcome"]]


def test_json_on_standard_output_is_the_same_as_in_a_file(saved: Path) -> None:
    done = pvhdbg("dump", "--format", "json")

    assert (0, "") == (done.status, done.err)
    assert without_descriptors(json.loads(saved.read_text("utf-8"))) == without_descriptors(done.document)


def without_descriptors(document: dict[str, object]) -> dict[str, object]:
    """Return a document without QEMU's command line, which has file descriptor numbers that differ between runs."""
    machine = document["machine"]
    assert isinstance(machine, dict)
    return document | {"machine": machine | {"argv": []}}


def test_show_prints_the_same_text_as_dump(saved: Path, text: str) -> None:
    assert (0, text, "") == pvhdbg("show", saved)


def test_text_can_be_written_to_a_file(tmp_path: Path, text: str) -> None:
    path = tmp_path / "boot.txt"

    assert (0, "", "") == pvhdbg("dump", "--format", "text", "-o", path)
    assert text == path.read_text("utf-8")


@pytest.mark.parametrize("stage", stages.NAMES)
def test_dump_stops_at_the_named_stage(stage: str) -> None:
    done = pvhdbg("dump", "--stage", stage, "--format", "json")

    assert (0, "") == (done.status, done.err)
    assert [*stages.NAMES][: stages.NAMES.index(stage) + 1] == [stop["stage"] for stop in done.document["stops"]]
    assert stage == done.document["outcome"]["reached"]


def test_the_options_are_in_the_document(tmp_path: Path) -> None:
    initrd = tmp_path / "initrd"
    initrd.write_bytes(bytes(5000))
    options = ("-i", initrd, "-a", "one two", "-m", "300", "-M", "q35", "--cpu", "qemu64")
    done = pvhdbg("dump", *options, "--stage", "entry", "--format", "json", "--", "-name", "mine")
    machine, (stop,) = done.document["machine"], done.document["stops"]

    assert (0, "") == (done.status, done.err)
    assert ["q35", "tcg", "qemu64", "300", "one two", str(initrd)] == [
        machine[key] for key in ("machine", "accel", "cpu", "memory", "append", "initrd")
    ]
    assert ["-name", "mine"] == machine["argv"][-2:]
    assert ("one two", [5000]) == (stop["cmdline"], [module["size"] for module in stop["modules"]])


def test_a_command_line_may_have_any_bytes() -> None:
    append = os.fsdecode(b"caf\xc3\xa9 \xff\x1b[31m \\")
    text, json_ = (pvhdbg("dump", "-a", append, "--stage", "entry", "--format", name) for name in ("text", "json"))

    assert (0, "") == (text.status, text.err)
    assert r'"caf\xc3\xa9 \xff\x1b[31m \\"' in text.out
    assert "\x1b" not in text.out
    assert os.fsencode(append).decode("latin-1") == json_.document["stops"][0]["cmdline"]


def test_a_closed_pipe_is_exit_status_141_without_an_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as pipe:
        done = subprocess.run([*PVHDBG, "dump"], check=False, stdout=pipe, stderr=-1, timeout=PATIENCE)

    assert (141, b"") == (done.returncode, done.stderr)


def test_a_full_disk_is_reported_in_one_line() -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run([*PVHDBG, "dump"], check=False, stdout=full, stderr=-1, timeout=PATIENCE)

    assert 2 == done.returncode
    assert b"pvhdbg: error: can't write to standard output: No space left on device\n" == done.stderr


@pytest.mark.parametrize("words", [("--help",), ("--version",), ("dump", "--help")], ids=str)
def test_a_full_disk_is_reported_for_help_too(words: tuple[str, ...]) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run([*PVHDBG, *words], check=False, stdout=full, stderr=-1, timeout=PATIENCE)

    assert 2 == done.returncode
    assert b"pvhdbg: error: can't write to standard output: No space left on device\n" == done.stderr


def test_the_exit_status_is_the_same_if_standard_error_cannot_be_written() -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run([*PVHDBG, "dump", "nowhere"], check=False, stdout=-1, stderr=full, timeout=PATIENCE)
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as unread:
        ignored = subprocess.run([*PVHDBG, "dump", "nowhere"], check=False, stdout=-1, stderr=unread, timeout=PATIENCE)

    assert (2, b"") == (done.returncode, done.stdout)
    assert (2, b"") == (ignored.returncode, ignored.stdout)


def test_help_lists_every_option() -> None:
    done = pvhdbg("dump", "--help")
    options = "-i -a -m -M -o --initrd --append --memory --machine --accel --cpu --symbols --load --force --timeout"

    assert (0, "") == (done.status, done.err)
    for option in (*options.split(), "--qemu", "--gdb", "--mi-log", "--gdbinit", "--format", "--stage"):
        assert option in done.out


def test_calls_and_jumps_are_shown_with_the_symbols_of_their_targets() -> None:
    code = pvhdbg("dump", "-c", "code xen_prepare_pvh").out

    assert re.search(r" callq? +0x[0-9a-f]+ <init_pvh_bootparams>$", code, re.MULTILINE)
    assert re.search(r" jne +0x[0-9a-f]+ <xen_prepare_pvh\+0x[0-9a-f]+>$", code, re.MULTILINE)
