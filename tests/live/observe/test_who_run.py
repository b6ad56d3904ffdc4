"""Who wrote the boot data of real kernels, on each machine; and `--set`, which changes what it should change."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest

from pvhdbg.boot.who.access import CONFIDENCES
from pvhdbg.boot.who.answer import WhoResult
from pvhdbg.boot.who.request import ALL, last_stage
from pvhdbg.cli.launch import launched_without_gdb
from pvhdbg.cli.options import parse
from pvhdbg.live.observe.who_run import ObservedBoot, earlier_boot, find
from tests.cli.shell import pvhdbg

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FROM_INPUT = {
    "boot_params.hdr.cmd_line_ptr": "pvh_start_info.cmdline_paddr",
    "boot_params.hdr.ramdisk_image": "modules[0].paddr",
    "boot_params.hdr.ramdisk_size": "modules[0].size",
    **{
        f"boot_params.e820_table[{index}].{name}": f"memory_map.entries[{index}].{name}"
        for index in range(6)
        for name in ("addr", "size", "type")
    },
    **{
        f"pvh_start_info.{name}": f"start_info.{name}"
        for name in ("magic", "version", "flags", "nr_modules", "modlist_paddr", "cmdline_paddr", "rsdp_paddr")
    },
}
"""What init_pvh_bootparams in Linux arch/x86/platform/pvh/enlighten.c, and head.S before it, assign to what."""

BOOTS = [("teaching", "microvm"), ("6.1", "microvm"), ("6.12", "microvm"), ("6.1-686", "microvm"), ("6.1", "q35")]


@cache
def observed(words: tuple[str, ...], asked: str = ALL) -> WhoResult:
    _, options = parse(["dump", *words])
    with launched_without_gdb(options) as session, ObservedBoot(session) as private:
        session.session.run(last_stage(asked))
        return find(private, earlier_boot(session), session.session.history, asked)


def command(name: str, machine: str, initrd: Path, find_vmlinux: Callable[[str], Path]) -> tuple[str, ...]:
    kernel = () if name == "teaching" else (str(find_vmlinux(name)),)
    return (*kernel, "-M", machine, "-i", str(initrd))


@pytest.mark.parametrize(("name", "machine"), BOOTS)
def test_every_value_is_attributed_to_the_field_that_the_source_names(
    name: str, machine: str, initrd: Path, find_vmlinux: Callable[[str], Path]
) -> None:
    found = observed(command(name, machine, initrd, find_vmlinux))
    copied = {path: _origins(found, path) for path in FROM_INPUT}
    # A 32-bit kernel copies eight bytes in two instructions.
    halves = {path: {origin, f"{origin}+0x4"} for path, origin in FROM_INPUT.items()}

    if "686" in name:
        assert {path: origins & halves[path] for path, origins in copied.items()} == copied
        assert all(FROM_INPUT[path] in origins for path, origins in copied.items())
    else:
        assert {path: {origin} for path, origin in FROM_INPUT.items()} == copied


def _origins(found: WhoResult, path: str) -> set[str | None]:
    """Return the input fields of the last write of each byte, where the value was followed all the way."""
    (answer,) = (one for one in found.answers if one.path == path)
    last: dict[int, str | None] = {}
    for writer in answer.writers:
        origin = writer.origin if writer.confidence == "register" else None
        for paddr in range(writer.paddr, writer.paddr + writer.size):
            last.setdefault(paddr, origin)
    return set(last.values())


@pytest.mark.parametrize(("name", "machine"), BOOTS)
def test_no_byte_of_the_kernels_structures_lacks_its_writer(
    name: str, machine: str, initrd: Path, find_vmlinux: Callable[[str], Path]
) -> None:
    found = observed(command(name, machine, initrd, find_vmlinux))
    written = {answer.path for answer in found.answers if answer.writers}
    built = {one.path for one in found.answers if one.path.startswith(("boot_params.", "pvh_start_info."))}

    assert ((), ()) == (found.unexplained, found.different)
    assert set() == built - written


@pytest.mark.parametrize("release", ["6.1", "6.12"])
def test_inlined_functions_and_source_lines_are_named(
    release: str, initrd: Path, find_vmlinux: Callable[[str], Path]
) -> None:
    found = observed(command(release, "microvm", initrd, find_vmlinux))
    code = found.links["boot_params.hdr.cmd_line_ptr"].writers[0].code
    assert code is not None
    assert code.source is not None

    assert ("init_pvh_bootparams",) == code.inlined
    assert code.source.startswith("arch/x86/platform/pvh/enlighten.c:")


VALUES = ["start_info.cmdline_paddr", "modules[0].paddr", "modules[0].size", "memory_map.entries[5].addr"]
VALUES += ["memory_map.entries[4].size", "memory_map.entries[2].type"]


@pytest.mark.parametrize("path", VALUES)
@pytest.mark.parametrize("release", ["6.1", "6.12"])
def test_changing_an_input_changes_exactly_the_bytes_that_are_attributed_to_it(
    path: str, release: str, initrd: Path, find_vmlinux: Callable[[str], Path]
) -> None:
    words = command(release, "microvm", initrd, find_vmlinux)
    found = observed(words)
    before = document(words)
    value = int.from_bytes(_bytes(before, found, path), "little")
    width = 2**32 - 1 if path.endswith("type") else 2**64 - 1
    after = document((*words, "--set", f"{path}={value ^ width:#x}", "--force"))
    attributed = {paddr for answer in found.answers for paddr in _attributed(found, answer.path, path)}

    assert attributed
    assert attributed == changed(before, after, found)


def document(words: tuple[str, ...]) -> Any:  # noqa: ANN401 - JSON
    done = pvhdbg("dump", *words, "--stage", "bootparams", "--format", "json")
    assert (0, "") == (done.status, done.err)
    return done.document


def _attributed(found: WhoResult, path: str, source: str) -> set[int]:
    """Return the addresses of the bytes of a boot_params field that come from an input field, by the chain."""
    origin, answer = path, found.links[path]
    if not path.startswith("boot_params."):
        return set()
    while origin != source:
        writer = found.links[origin].writers[0] if origin in found.links and found.links[origin].writers else None
        if writer is None or writer.origin is None or writer.confidence != "register":
            return set()
        origin = writer.origin
    return set(range(answer.paddr, answer.paddr + answer.size))


def _memory(dump: Any) -> dict[int, int]:  # noqa: ANN401 - JSON
    (stop,) = (stop for stop in dump["stops"] if stop["stage"] == "bootparams")
    return {
        block["paddr"] + index: byte
        for block in stop["memory"]
        for index, byte in enumerate(bytes.fromhex(block["hex"]))
    }


def _bytes(dump: Any, found: WhoResult, path: str) -> bytes:  # noqa: ANN401 - JSON
    memory, answer = _memory(dump), found.links[path]
    return bytes(memory[paddr] for paddr in range(answer.paddr, answer.paddr + answer.size))


def changed(before: Any, after: Any, found: WhoResult) -> set[int]:  # noqa: ANN401 - JSON
    old, new = _memory(before), _memory(after)
    fields = [answer for answer in found.answers if answer.path.startswith("boot_params.")]
    return {
        paddr for field in fields for paddr in range(field.paddr, field.paddr + field.size) if old[paddr] != new[paddr]
    }


def test_the_rfc_kernel_copies_its_map_from_the_module(rfc_vmlinux: Path) -> None:
    found = observed((str(rfc_vmlinux), "--protocol", "e820-module"))
    writers = found.links["boot_params.e820_table[0].size"].writers

    assert ((), "memory_map.entries[0].size") == (found.unexplained, writers[0].origin)


def test_each_confidence_occurs_and_is_explained(vmlinux_61: Path) -> None:
    found = observed((str(vmlinux_61), "-M", "microvm"))
    seen = {writer.confidence for answer in found.answers for writer in answer.writers}

    assert CONFIDENCES.keys() == seen


def test_a_recording_has_what_who_found_and_shows_it_again(tmp_path: Path) -> None:
    done = pvhdbg("who", "boot_params.hdr.cmd_line_ptr", "--format", "json")
    recording = tmp_path / "who.json"
    recording.write_text(done.out, "utf-8")
    shown = pvhdbg("show", recording, "-c", f"dump {tmp_path / 'again.json'}")
    again = json.loads((tmp_path / "again.json").read_text("utf-8"))

    assert (0, 0) == (done.status, shown.status)
    assert json.loads(done.out)["who"] == again["who"]


def test_a_machine_at_any_stage_can_be_asked_and_its_recording_has_the_answers(tmp_path: Path) -> None:
    recording = tmp_path / "asked.json"
    asked = ["-c", "who boot_params.hdr.cmd_line_ptr", "-c", f"dump {recording}"]
    done = pvhdbg("dump", "--stage", "entry", *asked)
    again = pvhdbg("show", recording, "-c", "who pvh_bootparams.hdr.cmd_line_ptr")
    other = pvhdbg("show", recording, "-c", "who start_info.magic")

    assert (0, 0, 2) == (done.status, again.status, other.status)
    assert "by init_pvh_bootparams" in done.out
    assert again.out.strip() in done.out
    assert "who: not in this recording" in other.err


# 6.1 and 6.12 have the same source of both functions: each is asked about one of the two structures.
@pytest.mark.parametrize("name", ["teaching", "6.12", "6.1-686"])
def test_the_kernels_copy_of_boot_params_comes_from_pvh_bootparams(
    name: str, initrd: Path, find_vmlinux: Callable[[str], Path]
) -> None:
    found = observed(command(name, "microvm", initrd, find_vmlinux), "kernel_boot_params")
    copied = {answer.path: {writer.origin for writer in answer.last_writers} for answer in found.answers}
    confidences = {writer.confidence for answer in found.answers for writer in answer.last_writers}

    assert ((), ()) == (found.unexplained, found.different)
    assert {"kernel_boot_params.hdr.cmd_line_ptr"} <= copied.keys()
    assert {} == {path: origins for path, origins in copied.items() if origins != {path.removeprefix("kernel_")}}
    assert {"register"} == confidences


@pytest.mark.parametrize("name", ["6.1", "6.1-686"])
def test_the_e820_table_was_filled_from_the_copy_and_then_sorted(
    name: str, initrd: Path, find_vmlinux: Callable[[str], Path]
) -> None:
    found = observed(command(name, "microvm", initrd, find_vmlinux), "e820_table")
    answers = {answer.path: answer for answer in found.answers}
    first = {answer.path: [writer.origin for writer in answer.writers][-1] for answer in answers.values()}
    functions = {writer.code.symbol for writer in answers["e820_table[0].addr"].writers if writer.code}

    assert ((), ()) == (found.unexplained, found.different)
    # Linux's e820__update_table sorts the table in memory that is not watched: no input field may be claimed.
    assert {"perhaps"} == {writer.confidence for answer in answers.values() for writer in answer.last_writers}
    assert any("e820__range_add" in name or "append_e820" in name for name in functions if name)
    assert {
        f"e820_table[{n}].type": f"kernel_boot_params.e820_table[{n}].type" for n in range(5)
    }.items() <= first.items()
