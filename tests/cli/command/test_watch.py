"""What `check` and `dump --watch` report about a guest after its last stage: with real kernels and small guests."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from pvhdbg.target.monitor import POWERED_OFF
from tests import tiny
from tests.cli import patient
from tests.cli.shell import pvhdbg
from tests.image.builder import elf, load

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.shell import Run

NO_MAP = ("-m", "128M", "-a", "console=ttyS0 memmap=exactmap memmap=16M@0")
"""Options with which Linux panics before it has a console: the memory of the kernel is not in its map."""
KEYS = ["ended", "ms", "rip", "symbol", "message", "serial", "log"]


def check(*words: str | Path) -> Run:
    return pvhdbg("check", *words, "--format", "json", "--timeout", "120")


def watched(run: Run) -> Any:  # noqa: ANN401 - JSON
    return run.document["outcome"]["watched"]


def codes(run: Run) -> set[str]:
    """Return the codes of the errors, and of the findings about the end of the run."""
    document = run.document
    of_stops = [finding for stop in document["stops"] for finding in stop["findings"] if finding["severity"] == "error"]
    return {finding["code"] for finding in (*of_stops, *document["outcome"].get("findings", ()))}


@pytest.fixture
def dying_late(tmp_path: Path) -> Path:
    """A guest without symbols that dies after its entry."""
    path = tmp_path / "dying-late.elf"
    path.write_bytes(tiny.nameless(dies=True))
    return path


def test_a_guest_without_symbols_that_dies_after_its_entry_is_reported_as_dead(dying_late: Path) -> None:
    done = check(dying_late)
    outcome = done.document["outcome"]

    assert 1 == done.status
    assert ["entry", "died"] == [stop["stage"] for stop in done.document["stops"]]
    assert ("entry", "died", "triple-fault") == (outcome["reached"], outcome["ended"], outcome["died"]["how"])
    assert (tiny.DIES_AT, "died") == (outcome["died"]["rip"], outcome["watched"]["ended"])
    assert {"PVH900"} <= codes(done)
    assert "pvhdbg: error: the guest died: triple fault" in done.err


def test_without_watching_the_death_is_not_seen_and_the_report_says_so(dying_late: Path) -> None:
    done = pvhdbg("check", dying_late, "--watch", "0")

    assert 0 == done.status
    assert "done: reached entry; not watched after entry; findings: " in done.out


def test_a_guest_that_halts_with_interrupts_disabled_ends_the_watch() -> None:
    done = check("--watch", "600")

    assert (0, "") == (done.status, done.err)
    assert KEYS == [*watched(done)]
    assert ("halted", "halt+0x17", "halting") == (
        watched(done)["ended"],
        watched(done)["symbol"],
        watched(done)["serial"][-1],
    )
    assert {"PVH914"} == codes(done)


def test_a_guest_that_powers_the_machine_off_has_not_died(tmp_path: Path) -> None:
    path = tmp_path / "off.elf"
    path.write_bytes(tiny.nameless(powers_off=True))
    done = check(path, "-M", "q35", "--watch", "600")

    assert 0 == done.status, done.err
    assert ("done", None) == (done.document["outcome"]["ended"], done.document["outcome"]["died"])
    assert ("halted", POWERED_OFF) == (watched(done)["ended"], watched(done)["message"])
    assert {"PVH914"} == codes(done)


def test_a_guest_that_runs_on_is_watched_until_the_time_is_up(tmp_path: Path) -> None:
    path = tmp_path / "looping.elf"
    path.write_bytes(tiny.nameless())
    done = patient.in_time(
        lambda seconds: pvhdbg("dump", path, "--watch", str(seconds), "--format", "json"),
        lambda done: watched(done)["rip"] == tiny.RETURNS_TO,
    )
    text = patient.in_time(
        lambda seconds: pvhdbg("check", path, "--watch", str(seconds)),
        lambda done: f"at {tiny.RETURNS_TO:#x};" in done.out,
    )

    assert (0, "time", tiny.RETURNS_TO) == (done.status, watched(done)["ended"], watched(done)["rip"])
    assert (None, [], None) == tuple(watched(done)[key] for key in ("symbol", "serial", "log"))
    assert f": still running at {tiny.RETURNS_TO:#x}; findings: " in text.out


def test_linux_panics_before_it_has_a_console(debian_vmlinux: Path) -> None:
    done = patient.check(debian_vmlinux, *NO_MAP)
    end = watched(done)

    assert 1 == done.status
    assert ("e820", "done") == (done.document["outcome"]["reached"], done.document["outcome"]["ended"])
    assert ("panicked", "Invalid user supplied memory map", []) == (end["ended"], end["message"], end["serial"])
    assert end["symbol"].startswith(("e820__finish_early_params+", "early_panic+"))
    assert any("Kernel panic - not syncing: Invalid user supplied memory map" in line for line in end["log"])
    assert {"PVH912"} == codes(done)
    assert "pvhdbg: error: the kernel panicked at 0x" in done.err


def test_a_panic_is_not_taken_for_a_death_if_the_kernel_then_resets_the_machine(vmlinuz_lz4: Path) -> None:
    done = patient.check(vmlinuz_lz4, *NO_MAP[:3], f"{NO_MAP[3]} earlyprintk=ttyS0 panic=-1")

    assert 1 == done.status
    assert ["entry"] == [stop["stage"] for stop in done.document["stops"]]
    assert ("panicked", "Invalid user supplied memory map") == (watched(done)["ended"], watched(done)["message"])
    assert (None, None) == (watched(done)["rip"], watched(done)["symbol"])
    assert {"PVH912"} == codes(done)


def test_the_panic_of_a_linux_without_an_init_is_not_an_error(vmlinux_61: Path) -> None:
    done = check(vmlinux_61, "-M", "q35", "--watch", "200")

    assert (0, "") == (done.status, done.err)
    assert "panicked" == watched(done)["ended"]
    assert watched(done)["message"].startswith("VFS: Unable to mount root fs on ")
    assert {"PVH913"} == codes(done)


def test_a_bzimage_without_symbols_is_watched_until_its_console_works(vmlinuz_lz4: Path) -> None:
    done = patient.check(vmlinuz_lz4)

    assert 0 == done.status
    assert "console" == watched(done)["ended"]
    assert any(line.startswith("[    0.") for line in watched(done)["serial"])


def test_a_kernel_that_dies_before_its_last_stage_is_not_watched(vmlinux_61: Path) -> None:
    done = check(vmlinux_61, "--cpu", "qemu32")

    assert (1, "died", None) == (done.status, done.document["outcome"]["ended"], watched(done))
    assert {"PVH911", "PVH900"} <= codes(done)


@pytest.fixture
def refused(tmp_path: Path) -> Path:
    """An ELF file without a PVH note."""
    path = tmp_path / "no-note.elf"
    path.write_bytes(elf([load(b"\xf4")]))
    return path


@pytest.mark.parametrize("command", ["check", "dump"])
def test_a_kernel_that_is_not_started_gives_a_document_too(refused: Path, command: str) -> None:
    done = pvhdbg(command, refused, "-m", "64M", "--format", "json")
    document = done.document
    fatal = [verdict for verdict in document["kernel"]["verdicts"] if verdict["severity"] == "fatal"]

    assert 1 == done.status
    assert ("refused", None, []) == (document["outcome"]["ended"], document["outcome"]["reached"], document["stops"])
    assert ("microvm", "64M", []) == tuple(document["machine"][key] for key in ("machine", "memory", "argv"))
    assert f"pvhdbg: error: {refused}: {fatal[0]['message']} (PVH514)" == done.err.splitlines()[0]
    assert {"error"} <= {finding["severity"] for finding in document["outcome"]["findings"]}


def test_a_refused_kernel_is_also_recorded_in_a_file_and_the_recording_is_shown(refused: Path, tmp_path: Path) -> None:
    path = tmp_path / "refused.json"
    done = pvhdbg("dump", refused, "-o", path)
    shown = pvhdbg("show", path)

    assert (1, "") == (done.status, done.out)
    assert "refused" == json.loads(path.read_text("utf-8"))["outcome"]["ended"]
    assert (0, "") == (shown.status, shown.err)
    assert "refused: pvhdbg did not start this kernel; findings: " in shown.out


def test_as_text_a_refused_kernel_has_only_its_error(refused: Path) -> None:
    done = pvhdbg("check", refused)

    assert (1, "") == (done.status, done.out)
    assert 2 == len(done.err.splitlines())


@pytest.mark.parametrize(("seconds", "problem"), [("-1", "at least 0"), ("nan", "at least 0"), ("x", "invalid number")])
def test_an_invalid_time_to_watch_is_an_error(seconds: str, problem: str) -> None:
    done = pvhdbg("check", "--watch", seconds)

    assert (2, "") == (done.status, done.out)
    assert problem in done.err
