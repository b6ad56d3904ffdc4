"""`pvhdbg transplant`: a kernel gets the boot data and the CPU state of a recording."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from pvhdbg.boot.record.replay import load, replay
from pvhdbg.cli.command import transplant
from tests.cli.shell import Run, pvhdbg
from tests.paths import RECORDINGS_DIR

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KEYS = ("start_info", "cmdline", "modules", "memory_map", "cpu_mode")
NOTE = "pvhdbg: note: not as recorded: "


def transplanted(recording: Path, *words: str | Path) -> tuple[Run, Any]:
    """Return the run, and the stop at the entry."""
    done = pvhdbg("transplant", recording, "--stage", "entry", "--format", "json", *words)
    assert 0 == done.status, done.err
    return done, done.document["stops"][0]


def entry_of(path: Path) -> Any:  # noqa: ANN401 - JSON
    return json.loads(path.read_text())["stops"][0]


def changed(path: Path, change: Callable[[Any], object], source: str = "teaching-guest.json") -> Path:
    """Write a recording of which `change` has changed the stop at the entry."""
    document = json.loads((RECORDINGS_DIR / source).read_text())
    change(document["stops"][0])
    path.write_text(json.dumps(document))
    return path


def notes(done: Run) -> list[str]:
    return [line.removeprefix(NOTE) for line in done.err.splitlines() if line.startswith(NOTE)]


@pytest.mark.parametrize(
    "name", ["linux-6.1-pc.json", "linux-6.12-q35.json", "teaching-guest-rfc.json", "grub-entry.json"]
)
def test_the_entry_is_that_of_the_recording_whatever_machine_it_is_of(name: str) -> None:
    recorded = entry_of(RECORDINGS_DIR / name)
    done, entry = transplanted(RECORDINGS_DIR / name)

    assert [recorded[key] for key in KEYS] == [entry[key] for key in KEYS]
    assert {**recorded["registers"], "rip": entry["rip"]} == entry["registers"]
    assert "transplant" == done.document["machine"]["vmm"]["name"]
    assert done.document["machine"]["vmm"]["differs"] == notes(done)


def test_the_guest_boots_with_it() -> None:
    done = pvhdbg("transplant", RECORDINGS_DIR / "linux-6.1-pc.json")
    recorded = load(RECORDINGS_DIR / "linux-6.1-pc.json").stops[0]
    assert recorded.memory_map is not None

    assert 0 == done.status
    assert f"transplant: handed over what {RECORDINGS_DIR / 'linux-6.1-pc.json'} has" in done.out
    assert f"{len(recorded.memory_map.entries)} entries" in done.out
    assert "done: reached e820" in done.out


def test_an_initrd_goes_to_the_place_of_the_recorded_module(tmp_path: Path) -> None:
    initrd, other = tmp_path / "initrd", tmp_path / "other"
    initrd.write_bytes(bytes(range(1, 250)) * 40)
    other.write_bytes(b"070701" + b"x" * 94)
    dumped = pvhdbg("dump", "--vmm", "firecracker", "-i", initrd, "--stage", "entry", "-o", tmp_path / "run.json")
    same, same_entry = transplanted(tmp_path / "run.json", "-i", initrd)
    smaller, smaller_entry = transplanted(tmp_path / "run.json", "-i", other)
    without, without_entry = transplanted(tmp_path / "run.json")
    recorded = entry_of(tmp_path / "run.json")
    (module,) = recorded["modules"]
    head = {item["paddr"]: item["hex"] for item in same_entry["memory"]}[module["paddr"]]

    assert 0 == dumped.status
    assert [recorded[key] for key in KEYS] == [same_entry[key] for key in KEYS] == [without_entry[key] for key in KEYS]
    assert recorded["registers"] == same_entry["registers"]
    assert initrd.read_bytes().startswith(bytes.fromhex(head))
    assert [{**module, "size": 100}] == smaller_entry["modules"]
    assert [False, False, True] == [
        any("contents of module 0" in note for note in notes(run)) for run in (same, smaller, without)
    ]
    assert "module 0 has 100 bytes instead of 9960: the size of the initrd" in notes(smaller)


def test_a_command_line_can_be_changed_with_set() -> None:
    _, entry = transplanted(RECORDINGS_DIR / "teaching-guest.json", "--set", 'cmdline="quiet"')

    assert "quiet" == entry["cmdline"]


def test_a_recording_without_the_segments_gets_those_of_the_abi(tmp_path: Path) -> None:
    def without_monitor(stop: Any) -> None:  # noqa: ANN401 - JSON
        for name in stop["registers"]:
            if "." in name or name in ("tr", "ldt"):
                stop["registers"][name] = None
                stop["missing"][f"registers.{name}"] = "the gdb stub offers no QEMU monitor"

    done, entry = transplanted(changed(tmp_path / "run.json", without_monitor))
    segments = {
        name: [entry["registers"][f"{name}.{part}"] for part in ("base", "limit")] for name in ("cs", "ds", "ss")
    }

    assert {name: [0, 0xFFFFFFFF] for name in ("cs", "ds", "ss")} == segments
    assert any(
        note.startswith("ds, es, ss, fs, gs, cs, tr, ldt, gdtr, idtr not in the recording, or not loadable")
        for note in notes(done)
    )


def test_flags_with_which_the_handover_could_not_continue_are_cleared_with_a_note(tmp_path: Path) -> None:
    with_flags = changed(tmp_path / "run.json", lambda stop: stop["registers"].update(eflags=0x20102))
    done, entry = transplanted(with_flags)
    plain, _ = transplanted(RECORDINGS_DIR / "teaching-guest.json")
    note = "TF and VM of EFLAGS cleared: the code that hands over could not continue with it"

    assert 2 == entry["registers"]["eflags"]
    assert [True, False] == [note in notes(run) for run in (done, plain)]


@pytest.mark.parametrize("name", ["cs", "ds", "ss", "tr", "ldt"])
def test_a_segment_that_no_cpu_loads_is_replaced(tmp_path: Path, name: str) -> None:
    broken = changed(tmp_path / "run.json", lambda stop: stop["registers"].update({f"{name}.flags": 0x400F00}))
    done, entry = transplanted(broken)
    (note,) = (note for note in notes(done) if "not in the recording" in note)

    assert note.startswith(f"{name} not in the recording")
    assert entry_of(RECORDINGS_DIR / "teaching-guest.json")["registers"] == entry["registers"]


@pytest.mark.parametrize(
    ("register", "value", "replaced"),
    [
        ("cs", 0xB, "cs"),
        ("ds", 0x1, "ds"),
        ("es", 0x14, "es"),
        ("tr", 0x4, "tr"),
        ("tr", 0x8, "tr"),
        ("ldt", 0x10, "ldt"),
        ("cs.base", 0x1000, "cs"),
        ("cs.limit", 0xFFF, "cs"),
        ("ss.limit", 0, "ss"),
    ],
)
def test_a_segment_that_cannot_be_loaded_exactly_is_replaced_and_named(
    tmp_path: Path, register: str, value: int, replaced: str
) -> None:
    broken = changed(tmp_path / "run.json", lambda stop: stop["registers"].update({register: value}))
    done, entry = transplanted(broken)
    (note,) = (note for note in notes(done) if "not in the recording" in note)

    assert note.startswith(f"{replaced} not in the recording")
    assert entry_of(RECORDINGS_DIR / "teaching-guest.json")["registers"] == entry["registers"]


@pytest.mark.parametrize("paddr", [0xFEE00000, 0xB0000000, 0x20000000 - 8])
def test_boot_data_where_the_machine_has_no_ram_is_refused(tmp_path: Path, paddr: int) -> None:
    def with_start_info_at(stop: Any) -> None:  # noqa: ANN401 - JSON
        (memory,) = (item for item in stop["memory"] if item["paddr"] == stop["start_info"]["paddr"])
        memory["paddr"] = stop["registers"]["rbx"] = paddr
        stop["memory"].sort(key=lambda item: item["paddr"])

    done = pvhdbg("transplant", changed(tmp_path / "run.json", with_start_info_at), "--stage", "entry")

    assert (2, "") == (done.status, done.out)
    assert f"start_info is at {paddr:#x}-{paddr + 56:#x}, where this machine has no RAM\n" in done.err


def test_ram_that_this_machine_lacks_is_named() -> None:
    done, _ = transplanted(RECORDINGS_DIR / "teaching-guest.json", "-m", "256M")

    assert ["this machine has no RAM at 0x10000000-0x20000000, which the map lists: use another -m"] == [
        note for note in notes(done) if "no RAM" in note
    ]


def test_the_memory_is_that_of_the_recording_or_of_its_map(tmp_path: Path) -> None:
    def with_map(stop: Any) -> None:  # noqa: ANN401 - JSON
        table = stop["memory_map"]["paddr"]
        (memory,) = (item for item in stop["memory"] if item["paddr"] <= table < item["paddr"] + len(item["hex"]) // 2)
        at = 2 * (table - memory["paddr"])
        entry = (4 << 30).to_bytes(8, "little") + (1 << 30).to_bytes(8, "little") + (1).to_bytes(8, "little")
        memory["hex"] = memory["hex"][:at] + entry.hex() + memory["hex"][at + 48 :]

    document = json.loads(changed(tmp_path / "run.json", with_map).read_text())

    assert "512M" == transplant.memory_of(replay(document))
    document["machine"]["memory"] = None
    assert "4096M" == transplant.memory_of(replay(document))


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("-M", "pc"), "transplant: can't be used with -M pc"),
        (("--accel", "kvm"), "transplant: can't be used with --accel kvm"),
        (("--vmm", "firecracker"), "transplant: can't be used with --vmm firecracker"),
        (("-a", "quiet"), "transplant: can't be used with -a: the command line comes from the recording"),
        (("--xen",), "transplant: can't be used with --xen"),
    ],
)
def test_options_that_contradict_the_recording_are_exit_status_2(words: tuple[str, ...], error: str) -> None:
    done = pvhdbg("transplant", RECORDINGS_DIR / "teaching-guest.json", *words)

    assert (2, "") == (done.status, done.out)
    assert done.err.startswith(f"pvhdbg: error: {error}")


def test_an_initrd_for_a_recording_without_modules_is_exit_status_2(tmp_path: Path) -> None:
    (tmp_path / "initrd").write_bytes(b"070701")
    done = pvhdbg("transplant", RECORDINGS_DIR / "teaching-guest.json", "-i", tmp_path / "initrd")

    assert (2, "") == (done.status, done.out)
    assert "the recording has no module for the initrd\n  hint: drop -i\n" in done.err


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda stop: stop.update(stage="prepare"), "the recording has no stage entry"),
        (lambda stop: stop["registers"].update(rbx=0x5000), "the recording has no start_info"),
        (lambda stop: stop["registers"].update(cr0=0x80000011), "at its entry the CPU was in mode "),
    ],
)
def test_a_recording_that_cannot_be_handed_over_is_exit_status_2(
    tmp_path: Path, change: Callable[[Any], object], error: str
) -> None:
    done = pvhdbg("transplant", changed(tmp_path / "run.json", change))

    assert (2, "") == (done.status, done.out)
    assert done.err.startswith(f"pvhdbg: error: {tmp_path / 'run.json'}: {error}")
