"""`pvhdbg diff --bisect`: guests of a few bytes that die of one difference between two handovers."""

from __future__ import annotations

import json
import re
import signal
import struct
from typing import TYPE_CHECKING, Any

import pytest

from pvhdbg.cli import main
from tests import tiny
from tests.cli import shell
from tests.cli.shell import pvhdbg
from tests.image.builder import ENTRY, Symbol, elf, load, note, notes, symbol_sections
from tests.paths import RECORDINGS_DIR
from tests.qboot import QBOOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NO_IDT = tiny._DIE[:7]
DIE_IF_ESP_IS_0 = bytes.fromhex("85e4 7509") + tiny._DIE
PUSH_FIRST = bytes.fromhex("53")
DIE_IF_ESP_AND_ESI_ARE_0 = bytes.fromhex("89e0 09f0 7509") + tiny._DIE
RELOAD_DS = NO_IDT + bytes.fromhex("b810000000 8ed8")
QUICK = ("--watch", "0.05")


def guest(path: Path, check: bytes) -> Path:
    """Write a guest that runs `check` at its entry, then loads a stack, and calls xen_prepare_pvh, which returns."""
    start = check + b"\xbc" + struct.pack("<I", tiny.STACK) + b"\x6a\0"
    call = b"\xe8" + struct.pack("<i", tiny.PREPARE - (ENTRY + len(start) + 5)) + b"\xeb\xfe"
    code = (start + call).ljust(tiny.PREPARE - ENTRY, b"\0") + b"\xc3".ljust(0x80, b"\0")
    base = tiny.KERNEL_MAP[64]
    segments = [load(code, vaddr=base + ENTRY, memsz=0x2000), notes(note())]
    path.write_bytes(elf(segments, symbol_sections([Symbol("xen_prepare_pvh", base + tiny.PREPARE, 16)])))
    return path


def recording(path: Path, change: Callable[[Any], object]) -> Path:
    """Write a recording of the teaching guest, with another stop at the entry."""
    document = json.loads((RECORDINGS_DIR / "teaching-guest.json").read_text())
    change(document["stops"][0])
    path.write_text(json.dumps(document))
    return path


def without_gdt(stop: Any) -> None:  # noqa: ANN401 - JSON
    stop["registers"].update({"gdtr.base": 0, "gdtr.limit": 0})


def without_magic(stop: Any) -> None:  # noqa: ANN401 - JSON
    (memory,) = (item for item in stop["memory"] if item["paddr"] == stop["start_info"]["paddr"])
    memory["hex"] = "0" * 8 + memory["hex"][8:]


def without_ram(stop: Any) -> None:  # noqa: ANN401 - JSON
    table = stop["memory_map"]
    last = max(
        range(len(table["entries"])),
        key=lambda index: table["entries"][index]["size"] * (table["entries"][index]["type"] == 1),
    )
    (memory,) = (
        item for item in stop["memory"] if item["paddr"] <= table["paddr"] < item["paddr"] + len(item["hex"]) // 2
    )
    at = 2 * (table["paddr"] - memory["paddr"] + 24 * last + 16)
    memory["hex"] = memory["hex"][:at] + "02000000" + memory["hex"][at + 8 :]


def test_a_stack_pointer_of_0_is_named(tmp_path: Path) -> None:
    kernel = guest(tmp_path / "kernel", DIE_IF_ESP_IS_0)
    for names in (("qemu", "firecracker"), ("firecracker", "qemu")):
        done = pvhdbg("diff", "--bisect", *names, kernel, *QUICK, "--", *QBOOT)
        works, fails, counts, blank, heading, cause = done.out.splitlines()

        assert (0, "", "") == (done.status, done.err, blank)
        assert works.startswith("qemu works: done: reached bootparams")
        assert fails.startswith("firecracker fails: died: triple fault at 0x10000b")
        assert counts.endswith(" differences between the handovers, 6 boots")
        assert "the kernel fails with this difference alone:" == heading
        assert re.fullmatch(r"  registers\.rsp: 0x7b[0-9a-f]0 -> 0x0 with no memory below 4 GiB", cause)


def test_a_write_that_the_vmm_loses_is_a_failure_although_the_guest_lives(tmp_path: Path) -> None:
    kernel = guest(tmp_path / "kernel", PUSH_FIRST)
    done = pvhdbg("diff", "--bisect", "qemu", "firecracker", kernel, *QUICK, "--", *QBOOT)
    document = pvhdbg("diff", "--bisect", "qemu", "firecracker", kernel, *QUICK, "--format", "json").document
    works, fails = done.out.splitlines()[:2]

    assert (0, "") == (done.status, done.err)
    assert works.startswith("qemu works: done: reached bootparams")
    assert fails.startswith("firecracker fails: done: reached bootparams")
    assert fails.endswith("; it wrote to 0xfffffffc, where there is no memory (PVH937)")
    assert done.out.splitlines()[-1].startswith("  registers.rsp: ")
    assert [None, 0xFFFFFFFC] == [end.get("lost_write", {}).get("paddr") for end in document["handovers"]]


def test_two_differences_that_kill_only_together_are_named(tmp_path: Path) -> None:
    kernel = guest(tmp_path / "kernel", DIE_IF_ESP_AND_ESI_ARE_0)
    document = pvhdbg("diff", "--bisect", "qemu", "firecracker", kernel, *QUICK, "--format", "json").document

    assert ["pvhdbg-bisect", 1, True] == [document[key] for key in ("format", "format_version", "is_smallest")]
    assert [("qemu", False), ("firecracker", True)] == [
        (end["name"], end["has_failed"]) for end in document["handovers"]
    ]
    assert ["registers.rsp", "registers.rsi"] == [item["path"] for item in document["cause"]]
    assert [item for item in document["differences"] if item["path"] == "registers.rsi"] == document["cause"][1:]
    assert document["boots"] > len(document["differences"])


@pytest.mark.parametrize(
    ("change", "check", "cause"),
    [
        (without_gdt, RELOAD_DS, "  registers.gdtr: base 0xffffffc1, limit 0x27 -> base 0x0, limit 0x0"),
        (without_magic, None, "  start_info.magic: 0x336ec578 -> 0x0"),
    ],
)
def test_the_difference_to_a_recording_is_named(
    tmp_path: Path, change: Callable[[Any], None], check: bytes | None, cause: str
) -> None:
    kernel = [] if check is None else [guest(tmp_path / "kernel", check)]
    done = pvhdbg("diff", "--bisect", "qemu", recording(tmp_path / "run.json", change), *kernel, *QUICK, "--", *QBOOT)

    assert (0, "") == (done.status, done.err)
    assert ["the kernel fails with this difference alone:", cause] == done.out.splitlines()[-2:]


def test_a_vmm_that_leaves_no_gdt_kills_a_guest_that_loads_a_segment_first(tmp_path: Path) -> None:
    kernel = guest(tmp_path / "kernel", RELOAD_DS)
    document = pvhdbg("diff", "--bisect", "qemu", "xen-domu", kernel, *QUICK, "--format", "json").document

    assert ["registers.gdtr"] == [item["path"] for item in document["cause"]]
    assert ["base 0x0, limit 0x0"] == [item["after"] for item in document["cause"]]


@pytest.mark.parametrize("kernel", ["5.10", "sid", "6.1-686"])
def test_linux_without_xen_dies_of_a_start_info_of_version_0(kernel: str, find_vmlinux: Callable[[str], Path]) -> None:
    done = pvhdbg("diff", "--bisect", "rfc2017", "qemu", find_vmlinux(kernel), "--timeout", "120")

    assert (0, "") == (done.status, done.err)
    assert done.out.startswith("qemu works: done: reached e820")
    assert "\nrfc2017 fails: died: triple fault at 0x" in done.out
    assert [
        "the kernel fails with this difference alone:",
        "  start_info.version: 0x1 -> 0x0",
    ] == done.out.splitlines()[-2:]


def test_a_map_entry_is_one_difference(tmp_path: Path) -> None:
    with_map = recording(tmp_path / "run.json", without_ram)
    document = pvhdbg("diff", "--bisect", "qemu", with_map, *QUICK, "--format", "json", "--", *QBOOT).document
    (entry,) = (item for item in document["differences"] if "entries" in item["path"])

    assert "memory_map.entries[4]" == entry["path"]
    assert ["0x100000-0x20000000 RAM", "0x100000-0x20000000 RESERVED"] == [entry["before"], entry["after"]]


def test_without_a_failure_there_is_nothing_to_search_for(tmp_path: Path) -> None:
    works = pvhdbg("diff", "--bisect", "qemu", "firecracker", *QUICK)
    kernel = guest(tmp_path / "kernel", tiny._DIE)
    fails = pvhdbg("diff", "--bisect", "qemu", "firecracker", kernel, *QUICK)

    assert (0, "the kernel works with both handovers: there is nothing to search for") == (
        works.status,
        works.out.splitlines()[-1],
    )
    assert ["qemu", "firecracker"] == [line.split()[0] for line in fails.out.splitlines()[:2]]
    assert (1, "the kernel fails with both handovers: there is nothing to search for") == (
        fails.status,
        fails.out.splitlines()[-1],
    )


def test_an_interrupt_ends_the_search(waiting: Path, tmp_path: Path) -> None:
    report = tmp_path / "runs"
    words = ("diff", "--bisect", "qemu", "firecracker", waiting, "--timeout", "600", "--", *tiny.report_to(report))
    with shell.running(*words, folder=tmp_path) as process:
        shell.wait_for(lambda: report.exists() and report.read_bytes())
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=shell.PATIENCE)
    report.unlink()

    assert (130, b"", b"") == (process.returncode, out, err)
    shell.wait_for(lambda: not shell.started_in(tmp_path))
    assert [] == [*tmp_path.iterdir()]


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("--bisect", "qemu", "nonexistent"), "nonexistent: neither a VMM nor a recording"),
        (("--bisect", "qemu", "firecraker"), "firecraker: neither a VMM nor a recording\n  hint: did you mean firecr"),
        (("--bisect", "qemu", "firecracker", "--xen"), "--bisect: can't be used with --xen"),
        (("--bisect", "qemu", "firecracker", "--xen-image", "x"), "--bisect: can't be used with --xen"),
        (("a.json", "firecracker"), "firecracker: a VMM is only for --bisect"),
        (("qemu", "firecracker", "kernel"), "qemu: a VMM is only for --bisect"),
        (("--bisect", "qemu", "firecracker", "-M", "pc"), "--bisect: can't be used with -M pc"),
        (("--bisect", "qemu", "firecracker", "--vmm", "firecracker"), "--bisect: can't be used with --vmm firecracker"),
        (("a", "b", "kernel"), "kernel: a kernel is only for --bisect"),
        (("a", "b", "--format", "json"), "--format json is only for --bisect"),
    ],
)
def test_arguments_that_make_no_sense_are_exit_status_2(
    words: tuple[str, ...], error: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 2 == main(["diff", *words])
    assert capsys.readouterr().err.startswith(f"pvhdbg: error: {error}")
