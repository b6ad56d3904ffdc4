"""Guests that die, hang or lack stages: pvhdbg never hangs, reports the reason and prints the document."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any

import pytest

from tests import tiny
from tests.cli import patient, shell
from tests.cli.shell import Run, pvhdbg
from tests.image.builder import ENTRY

if TYPE_CHECKING:
    from pathlib import Path

MULTIBOOT = (0x1BADB002).to_bytes(4, "little")
NO_LATER_STAGES = [
    "pvhdbg: note: this guest has no stage kernel: no symbol start_kernel",
    "pvhdbg: note: this guest has no stage e820: no symbol e820__memory_setup",
]


def stages_of(done: Run) -> list[str]:
    return [stop["stage"] for stop in done.document["stops"]]


def test_a_timeout_is_reported_with_the_guests_position(waiting: Path) -> None:
    done = patient.in_time(
        lambda seconds: pvhdbg("dump", waiting, "--timeout", str(seconds), "--format", "json"),
        lambda done: done.document["outcome"]["timeout"]["rip"] in tiny.WAITING,
    )
    outcome = done.document["outcome"]
    *notes, error, hint = done.err.splitlines()

    assert (1, ["entry"]) == (done.status, stages_of(done))
    assert ["entry", "timeout", None] == [outcome[key] for key in ("reached", "ended", "died")]
    assert "prepare" == outcome["timeout"]["stage"]
    assert outcome["timeout"]["rip"] in tiny.WAITING
    assert NO_LATER_STAGES == notes
    symbol = f"startup+{outcome['timeout']['rip'] - ENTRY:#x}"
    assert symbol == outcome["timeout"]["symbol"]
    assert error.startswith("pvhdbg: error: timed out waiting for stage prepare, rip 0x1000")
    assert error.endswith(f" {symbol}; last stage reached: entry")
    assert "  hint: wait longer with --timeout SECONDS" == hint


def test_a_timeout_is_in_the_text_too(waiting: Path) -> None:
    done = patient.in_time(
        lambda seconds: pvhdbg("dump", waiting, "--timeout", str(seconds)),
        lambda done: "prepare, rip 0x1000" in done.out,
    )

    assert 1 == done.status
    assert done.out.splitlines()[-1].startswith("timed out waiting for stage prepare, rip 0x1000")


def test_a_guest_that_halts_before_a_stage_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "halting"
    path.write_bytes(tiny.halting())
    done = pvhdbg("check", path, "--timeout", "100000", "--format", "json")
    outcome, where = done.document["outcome"], f"at {tiny.HALTS_AT:#x}"
    [finding] = outcome["findings"]

    assert (1, "prepare", "timeout", "halted") == (
        done.status,
        outcome["reached"],
        outcome["ended"],
        outcome["watched"]["ended"],
    )
    assert [tiny.PRINTED] == outcome["watched"]["serial"]
    assert "PVH910" == finding["code"]
    assert f"the guest halted {where}" in finding["message"]
    assert f'did not reach stage bootparams; the last line on its console is "{tiny.PRINTED}"' in finding["message"]
    assert f"pvhdbg: error: the guest halted {where}, before stage bootparams; last stage reached: prepare" in done.err
    assert "hint" not in done.err


def test_a_guest_that_panics_before_a_stage_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "panicking"
    path.write_bytes(tiny.panicking())
    done = pvhdbg("check", path, "--timeout", "100000", "--format", "json")
    outcome = done.document["outcome"]

    assert (1, "timeout", "panicked") == (done.status, outcome["ended"], outcome["watched"]["ended"])
    assert [("PVH912", "the kernel panicked: no way. Read the last lines of its console and log.")] == [
        (finding["code"], finding["message"]) for finding in outcome["findings"]
    ]
    assert 'the kernel panicked: "no way", before stage bootparams; last stage reached: prepare' in done.err


def test_a_death_is_the_last_stop_with_its_cause_and_place(dying: Path) -> None:
    done = pvhdbg("dump", dying, "--format", "json")
    died = done.document["outcome"]["died"]
    stop = done.document["stops"][-1]

    assert (1, ["entry", "prepare", "died"]) == (done.status, stages_of(done))
    assert ("triple-fault", tiny.DIES_AT, "xen_prepare_pvh+0x7") == (died["how"], died["rip"], died["symbol"])
    assert ("prepare", "died") == tuple(done.document["outcome"][key] for key in ("reached", "ended"))
    assert tiny.DIES_AT == stop["rip"] == stop["registers"]["rip"]
    assert [None] * 4 == [stop[key] for key in ("start_info", "cmdline", "modules", "memory_map")]
    assert "triple fault (or the guest itself asked for a reset or shutdown)" == died["message"]
    assert (
        f"pvhdbg: error: the guest died: triple fault at {tiny.DIES_AT:#x} xen_prepare_pvh+0x7; "
        "last stage reached: prepare"
    ) == done.err.splitlines()[-1]


def test_a_death_is_in_the_text_too(dying: Path) -> None:
    done = pvhdbg("dump", dying)

    assert 1 == done.status
    assert done.out.splitlines()[-1].startswith(f"died: triple fault at {tiny.DIES_AT:#x} xen_prepare_pvh+0x7")


def test_a_stage_before_the_death_is_reached(dying: Path) -> None:
    done = pvhdbg("dump", dying, "--stage", "prepare", "--format", "json")

    assert (0, ["entry", "prepare"], "") == (done.status, stages_of(done), done.err)


def test_escape_sequences_in_a_symbol_are_escaped(tmp_path: Path) -> None:
    path = tmp_path / "dying.elf"
    path.write_bytes(tiny.dying(name="\x1b[31m\nred"))
    text, json = pvhdbg("dump", path), pvhdbg("dump", path, "--format", "json")

    assert r"\x1b[31m\x0ared" in text.err
    assert r"\x1b[31m\x0ared" in text.out.splitlines()[-1]
    assert "\x1b" not in text.out + text.err
    assert "\x1b[31m\nred" == json.document["outcome"]["died"]["symbol"]


def test_a_guest_that_makes_qemu_exit_is_reported_with_the_exit_status(leaving: Path) -> None:
    done = pvhdbg("dump", leaving, "--format", "json", "--", *tiny.EXIT_DEVICE)
    died = done.document["outcome"]["died"]

    assert (1, ["entry", "prepare", "died"]) == (done.status, stages_of(done))
    assert ("qemu-exit", None, None) == (died["how"], died["rip"], died["symbol"])
    assert f"QEMU exited with status {tiny.EXIT_STATUS}" == died["message"]
    assert died["message"] in done.err.splitlines()[-1]


def test_a_killed_qemu_is_reported_with_the_signal(waiting: Path, tmp_path: Path) -> None:
    status, out, err = killed("qemu-system", signal.SIGSEGV, waiting, tmp_path)

    assert 1 == status
    assert out.splitlines()[-1].startswith("died: QEMU was killed by SIGSEGV")
    assert "the guest died: QEMU was killed by SIGSEGV" in err.splitlines()[-1]


def killed(program: str, by: signal.Signals, kernel: Path, folder: Path) -> tuple[int, str, str]:
    """Kill QEMU while a dump's guest runs; return status, output and errors."""
    report = folder / "runs"
    with shell.running("dump", kernel, "--", *tiny.report_to(report), folder=folder) as process:
        shell.wait_for(lambda: report.exists() and report.read_bytes())
        (pid,) = (pid for pid, line in shell.started_in(folder).items() if line.startswith(program))
        os.kill(pid, by)
        out, err = process.communicate(timeout=shell.PATIENCE)
        return process.returncode, out.decode(), err.decode()


def test_a_guest_without_symbols_reaches_its_entry_with_status_0(nameless: Path) -> None:
    done = pvhdbg("dump", nameless, "--format", "json")

    assert (0, ["entry"]) == (done.status, stages_of(done))
    assert ("entry", "done", None) == tuple(done.document["outcome"][key] for key in ("reached", "ended", "died"))
    assert ("", "other") == (done.err, done.document["kernel"]["guest"])


@pytest.mark.parametrize("stage", ["prepare", "bootparams", "kernel", "e820"])
def test_naming_a_stage_that_the_guest_lacks_is_an_error(nameless: Path, stage: str) -> None:
    done = pvhdbg("dump", nameless, "--stage", stage, "--format", "json")

    assert (1, ["entry"]) == (done.status, stages_of(done))
    (error,) = [line for line in done.err.splitlines() if line.startswith("pvhdbg: error: ")]
    assert stage in error.removeprefix("pvhdbg: error: this guest has no stage ").partition(":")[0].split(" or ")


def test_grub_reaches_its_entry(grub_image: Path) -> None:
    done = pvhdbg("dump", grub_image, "--format", "json")
    (stop,) = done.document["stops"]

    assert (0, "elf", 32) == (done.status, done.document["kernel"]["kind"], done.document["kernel"]["class"])
    assert ("entry", "protected32", done.document["kernel"]["entry"]) == (stop["stage"], stop["cpu_mode"], stop["rip"])
    assert ("memmap", 0x336EC578) == (stop["memory_map"]["protocol"], stop["start_info"]["magic"])


def test_naming_a_linux_stage_for_grub_gives_status_1(grub_image: Path) -> None:
    done = pvhdbg("dump", grub_image, "--stage", "bootparams", "--format", "json")

    assert (1, ["entry"]) == (done.status, stages_of(done))


def test_a_bzimage_reaches_its_entry(debian_vmlinuz: Path) -> None:
    done = pvhdbg("dump", debian_vmlinuz, "--format", "json")

    assert (0, ["entry"]) == (done.status, stages_of(done))
    assert ("bzimage", str(debian_vmlinuz)) == (done.document["kernel"]["kind"], done.document["kernel"]["path"])
    assert 4 == len(done.err.splitlines())
    assert "pass its debug vmlinux with --symbols" in done.err.splitlines()[0]


@pytest.mark.parametrize("release", ["6.1", "6.12"])
def test_a_bzimage_with_symbols_of_its_build_reaches_every_stage(release: str, request: pytest.FixtureRequest) -> None:
    names = {"6.1": ("vmlinuz_lz4", "vmlinux_61"), "6.12": ("vmlinuz_zstd", "vmlinux_612")}[release]
    vmlinuz, vmlinux = (request.getfixturevalue(name) for name in names)
    packed = pvhdbg("dump", vmlinuz, "--symbols", vmlinux, "--format", "json")
    plain = pvhdbg("dump", vmlinux, "--format", "json")

    assert (0, "") == (packed.status, packed.err)
    assert decoded(plain) == decoded(packed)


def decoded(done: Run) -> list[Any]:
    """Return the boot data and the kernel's result at each stop."""
    keys = ("stage", "rip", "start_info", "memory_map", "boot_params", "kernel_boot_params", "e820_table", "symbols")
    return [[stop[key] for key in keys] for stop in done.document["stops"]]


def test_symbols_of_another_kernel_are_rejected_for_a_bzimage(vmlinuz_xz: Path, vmlinux_612: Path) -> None:
    done = pvhdbg("dump", vmlinuz_xz, "--symbols", vmlinux_612, "--format", "json")

    assert (0, ["entry"]) == (done.status, stages_of(done))
    assert f"--symbols {vmlinux_612} is not used: its build-id is " in done.err.splitlines()[0]


def test_xen_is_rejected_because_qemu_would_boot_it_via_multiboot(xen_shim: Path) -> None:
    refused = pvhdbg("dump", xen_shim)
    forced = pvhdbg("check", xen_shim, "--force", "--timeout", "2", "--format", "json")

    assert (1, "") == (refused.status, refused.out)
    assert "the file has a multiboot header at 0x88: QEMU boots the file via multiboot" in refused.err
    assert (1, None, []) == (forced.status, forced.document["outcome"]["reached"], stages_of(forced)[:-1])
    assert "PVH907" in forced.out


def test_xen_without_its_multiboot_header_reaches_its_entry(xen_shim: Path, tmp_path: Path) -> None:
    plain = tmp_path / "xen"
    plain.write_bytes(xen_shim.read_bytes().replace(MULTIBOOT, bytes(len(MULTIBOOT)), 1))
    done = pvhdbg("check", plain, "--watch", "0", "--format", "json")

    assert (0, ["entry"]) == (done.status, stages_of(done))
    findings = done.document["stops"][0]["findings"]
    assert ["PVH618"] == [finding["code"] for finding in findings if finding["severity"] != "info"]


def test_code_of_a_dead_guest_without_usable_page_tables_is_shown_as_raw_bytes() -> None:
    done = pvhdbg("dump", "--cpu", "qemu32", "-c", "code", "-c", "code 0x1000000")

    assert 1 == done.status
    assert 1 == done.out.count("raw bytes at physical address 0x100004d:\n  0x100004d  ea ")
    assert 1 == done.out.count("raw bytes at physical address 0x1000000:\n  0x1000000  fc ")
