"""Recordings of real boots decode to what was stored, and an invalid file is rejected in one line."""

from __future__ import annotations

import json
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from pvhdbg.boot.record import checked, replay
from pvhdbg.boot.record.document import DONE, Document, MachineFacts, Outcome
from pvhdbg.boot.stop.read import MAX_ENTRIES, MAX_STRING, MAX_TEXT
from pvhdbg.errors import UserError
from pvhdbg.image.facts import EM_386, Note
from pvhdbg.views.report import run_text
from pvhdbg.views.to_json import document_json as to_json
from tests import build
from tests.paths import OLD_RECORDINGS, RECORDINGS

NUMBERS: tuple[Any, ...] = (True, -1, 1 << 64, 10**400, 1.5, float("inf"))
TEXTS: tuple[Any, ...] = ("", "\x1b[31m\0", "\ud800é", "zz", "f" * 101)
HOSTILE = (None, *NUMBERS, *TEXTS, [], [None], {}, {"": []})
WATCHED = {
    "ended": "panicked",
    "ms": 1200,
    "rip": 16,
    "symbol": "x",
    "message": "no init",
    "serial": ["a", "b"],
    "log": ["c"],
}
DECODED = ("stage", "registers", "memory", "symbols", "missing")
"""The keys of a stop that decoding reads."""


def stored(name: Path) -> Any:  # noqa: ANN401 - JSON
    return json.loads(name.read_text("utf-8"))


def small() -> Any:  # noqa: ANN401 - JSON
    """Return a small document with every kind of value that decoding reads. The caller may change it."""
    return json.loads(_small())


@cache
def _small() -> str:
    document = json.loads(to_json.dumps(build.boot()))
    document["stops"] = [{key: stop[key] for key in DECODED} for stop in document["stops"][:2]]
    for stop in document["stops"]:
        stop["registers"] = {name: stop["registers"][name] for name in ("rip", "rbx", "cr0", "cr3", "cr4", "efer")}
    document["outcome"]["died"] = {"how": "triple-fault", "rip": 16, "symbol": "x", "message": ""}
    document["outcome"]["timeout"] = {"stage": "kernel", "rip": 16, "symbol": "x"}
    document["outcome"]["watched"] = WATCHED
    document["machine"]["rewrites"] = [{"path": "start_info.magic", "paddr": 16, "before": "00", "after": "01"}]
    document["machine"]["argv"] = ["qemu"]
    document["kernel"]["notes"] = [{"owner": "Xen", "type": 18, "hex": "00"}]
    fields = {"offset": 16, "section": ".rodata"}
    document["kernel"]["verdicts"] = [
        {"slug": "no-note", "severity": "fatal", "message": "m", "hint": "h", "fields": fields}
    ]
    return json.dumps(document)


def test_the_fields_of_a_verdict_are_stored_and_version_1_has_none() -> None:
    document = small()
    loaded = replay.replay(document).kernel
    del document["kernel"]["verdicts"][0]["fields"]
    older = replay.replay(document).kernel

    assert loaded is not None
    assert older is not None
    assert ({"offset": 16, "section": ".rodata"}, {}) == (loaded.verdicts[0].fields, older.verdicts[0].fields)


@pytest.mark.parametrize("value", [None, True, 1.5, [], {}])
def test_a_field_of_a_verdict_that_is_neither_an_integer_nor_a_string_is_ignored(value: object) -> None:
    document = small()
    document["kernel"]["verdicts"][0]["fields"]["offset"] = value
    loaded = replay.replay(document).kernel

    assert loaded is not None
    assert {"section": ".rodata"} == loaded.verdicts[0].fields


def without_reasons(stop: Any) -> Any:  # noqa: ANN401 - JSON
    """Return a copy of a stop without the reasons in `missing`, and without `serial` and `log` in it."""
    return stop | {"missing": sorted({*stop["missing"]} - {"serial", "log"})}


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:  # noqa: ANN401 - JSON
    """Return the paths of all values in a document. Only the first item of each list is included."""
    children: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        children = list(value.items())
    elif isinstance(value, list):
        children = list(enumerate(value[:1]))
    return [path, *(below for key, child in children for below in paths(child, (*path, key)))]


def changed(document: Any, path: tuple[Any, ...], value: Any) -> Any:  # noqa: ANN401 - JSON
    """Return a copy of a document with another value at one path."""
    if not path:
        return value
    copy = deepcopy(document)
    parent = copy
    for key in path[:-1]:
        parent = parent[key]
    parent[path[-1]] = value
    return copy


def write(folder: Path, content: bytes | str) -> Path:
    path = folder / "recording.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_a_recording_decodes_to_what_was_stored(path: Path) -> None:
    document = stored(path)
    again = json.loads(to_json.dumps(replay.load(path)))

    assert document["stops"]
    assert document | {"pvhdbg": again["pvhdbg"]} == again


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_a_recording_is_written_with_the_same_line_breaks(path: Path) -> None:
    head = len(("{", "format", "format_version", "pvhdbg"))
    written = to_json.dumps(replay.load(path))

    assert path.read_text("utf-8").splitlines()[head:] == written.splitlines()[head:]


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_decoding_needs_only_memory_registers_symbols_kernel_and_machine(path: Path) -> None:
    """What only the running machine knew is stored as well: how the kernel called Xen, code, serial output and log."""
    document = stored(path)
    keys = {*DECODED, "hypercall", "code", "serial", "log"}
    bare = document | {
        "stops": [{key: stop[key] for key in keys & stop.keys()} | {"missing": {}} for stop in document["stops"]]
    }
    again = json.loads(to_json.dumps(replay.replay(bare)))

    assert [without_reasons(stop) for stop in document["stops"]] == [without_reasons(stop) for stop in again["stops"]]


@pytest.mark.parametrize("path", OLD_RECORDINGS, ids=lambda path: path.stem)
def test_a_recording_of_version_1_opens_as_one_of_version_2_that_was_not_watched(path: Path) -> None:
    old = stored(path)
    new = {**old, "format_version": 2, "outcome": {**old["outcome"], "watched": None}}

    assert 1 == old["format_version"]
    assert "watched" not in old["outcome"]
    assert replay.load(path) == replay.replay(new)
    assert replay.load(path).outcome.watched is None


def test_unknown_keys_are_ignored_everywhere() -> None:
    document = small()
    extended = deepcopy(document)
    for path in paths(document):
        parent = extended
        for key in path:
            parent = parent[key]
        if isinstance(parent, dict) and path[-1:] not in (("registers",), ("symbols",), ("missing",)):
            parent["a later key"] = {"any": ["value"]}

    assert "a later key" in extended["stops"][0]["memory"][0]
    assert replay.replay(document) == replay.replay(extended)


def test_what_was_seen_after_the_last_stage_is_shown_as_it_was_stored() -> None:
    again = json.loads(to_json.dumps(replay.replay(small())))

    assert WATCHED == again["outcome"]["watched"]


def test_every_fact_about_the_kernel_file_that_rules_use_is_recorded() -> None:
    notes = (Note("Xen", 18, b"\0\0\0\1"),)
    kernel = build.linux()._replace(elf_class=32, machine=EM_386, notes=notes, entry=None, build_id=None)
    run = Document(kernel, MachineFacts(), (), Outcome(None, DONE))

    assert kernel._replace(elf=kernel.path) == replay.replay(json.loads(to_json.dumps(run))).kernel


@pytest.mark.parametrize(("stored_name", "guest"), [("freebsd", "freebsd"), ("plan9", ""), ("", "")])
def test_the_guest_is_recorded_and_an_unknown_one_is_not_used(stored_name: str, guest: str) -> None:
    kernel = build.linux()._replace(guest=stored_name)
    document = to_json.to_dict(Document(kernel, MachineFacts(), (), Outcome(None, DONE)))
    again = replay.replay(document).kernel

    assert bool(stored_name) == ("guest" in document["kernel"])
    assert again is not None
    assert guest == again.guest


def test_the_recordings_cover_every_kind_of_boot() -> None:
    documents = [stored(path) for path in RECORDINGS]
    stops = [stop for document in documents for stop in document["stops"]]

    assert {"microvm", "pc", "q35"} <= {document["machine"]["machine"] for document in documents}
    assert {"elf", "vmlinux", "bzimage"} <= {document["kernel"]["kind"] for document in documents}
    assert {32, 64} <= {document["kernel"]["class"] for document in documents}
    assert {"done", "died"} <= {document["outcome"]["ended"] for document in documents}
    assert {"memmap", "e820-module"} <= {(stop["memory_map"] or {}).get("protocol") for stop in stops}
    assert {"entry", "prepare", "bootparams", "kernel", "e820", "died"} == {stop["stage"] for stop in stops}
    assert any(stop["modules"] for stop in stops)


def test_the_reason_for_a_missing_value_comes_from_the_recording_if_it_is_printable() -> None:
    document = small()
    document["stops"][0]["registers"]["a20"] = None
    document["stops"][0]["missing"]["registers.a20"] = "it was not read"
    document["stops"][1]["registers"]["a20"] = None
    document["stops"][1]["missing"]["registers.a20"] = "\x1b]0;title\x07"
    first, second = replay.replay(document).stops

    assert "it was not read" == first.missing["registers.a20"]
    assert "the gdb stub offers no QEMU monitor" == second.missing["registers.a20"]


@pytest.mark.parametrize("path", paths(small()), ids=lambda path: ".".join(map(str, path)) or "all")
def test_a_hostile_value_at_any_path_is_shown_or_rejected(path: tuple[Any, ...]) -> None:
    for value in HOSTILE:
        document = changed(small(), path, value)
        try:
            shown = run_text.document(replay.replay(document))
        except checked.NotARecording as error:
            shown = str(error)

        assert shown
        assert [] == [line for line in shown.splitlines() if not line.isprintable()]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        (b"\xff\xfe\x00", "not JSON"),
        (b"\x7fELF", "not JSON"),
        ("[" * 200_000, "not JSON"),
        ("9" * 100_000, "not JSON"),
        ("[]", "document is not an object"),
        ("{}", 'format is not "pvhdbg"'),
        ('{"format": "pvhdbg"}', "format_version is missing, but this pvhdbg supports only 1 and 2"),
        ('{"format": "pvhdbg", "format_version": 3}', "format_version is 3, but this pvhdbg supports only 1 and 2"),
        (
            '{"format": "pvhdbg", "format_version": true}',
            "format_version is True, but this pvhdbg supports only 1 and 2",
        ),
        (
            f'{{"format": "pvhdbg", "format_version": {"[" * 500}{"]" * 500}}}',
            "[[[[[[[...]]]]]]], but this pvhdbg supports only 1 and 2",
        ),
        ('{"format": "pvhdbg", "format_version": 1}', "machine is not an object"),
    ],
)
def test_a_file_that_is_not_a_recording_is_rejected_in_one_line(
    tmp_path: Path, content: bytes | str, reason: str
) -> None:
    path = write(tmp_path, content)

    with pytest.raises(UserError) as caught:
        replay.load(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert str(caught.value).endswith(reason)


def test_the_largest_possible_dump_can_be_loaded(tmp_path: Path) -> None:
    count = MAX_TEXT // MAX_STRING
    modules = build.linux_guest()
    modules.put(build.START_INFO, build.start_info(nr_modules=count, modlist_paddr=0x100000))
    paddrs = [0x1000000 + index * 2 * MAX_STRING for index in range(count)]
    modules.put(0x100000, build.modlist(*((0, 0, paddr, 0) for paddr in paddrs)))
    for paddr in paddrs:
        modules.put(paddr, b"\x01" * MAX_STRING)
    document = Document(None, MachineFacts(), (modules.at("entry"),), Outcome("entry", DONE))
    written = to_json.dumps(document)
    path = write(tmp_path, written)

    assert 8 * MAX_TEXT < len(written)
    assert 3 * len(written) + 6 * MAX_ENTRIES * 128 < replay.MAX_FILE
    assert written == to_json.dumps(replay.load(path))


@pytest.mark.parametrize("part", ["[],", '"",', "{},"])
def test_a_file_with_too_many_lists_strings_or_objects_is_rejected_before_parsing(tmp_path: Path, part: str) -> None:
    path = write(tmp_path, f"[{part * (replay.MAX_PARTS + 1)}0]")

    assert path.stat().st_size < replay.MAX_FILE
    with pytest.raises(UserError, match=r"too large for a recording$"):
        replay.load(path)


def test_a_recording_has_at_most_16_stops(tmp_path: Path) -> None:
    document = small()
    document["stops"] = [document["stops"][0]] * replay.MAX_STOPS
    accepted = replay.load(write(tmp_path, json.dumps(document)))
    document["stops"] *= 1000

    assert 16 == len(accepted.stops)
    with pytest.raises(UserError, match=r"not a pvhdbg recording: it has 16,000 stops, more than 16$"):
        replay.load(write(tmp_path, json.dumps(document)))


def test_a_file_larger_than_any_dump_is_rejected_before_reading(tmp_path: Path) -> None:
    path = write(tmp_path, "[")
    with path.open("r+b") as file:
        file.truncate(replay.MAX_FILE + 1)

    with pytest.raises(UserError, match=r"too large for a recording$"):
        replay.load(path)


@pytest.mark.parametrize("path", [Path("/dev/null"), Path("/dev/zero"), Path(__file__).parent], ids=str)
def test_what_is_not_a_regular_file_is_rejected_before_reading(path: Path) -> None:
    with pytest.raises(UserError, match=r": not a regular file$"):
        replay.load(path)


def test_a_missing_file_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No such file or directory"):
        replay.load(tmp_path / "nothing")


@pytest.mark.parametrize("value", [-1, 1 << 64, True, 1.0, "1"])
@pytest.mark.parametrize(
    "path",
    [
        ("kernel", "entry"),
        ("kernel", "segments", 0, "memsz"),
        ("machine", "rewrites", 0, "paddr"),
        ("stops", 0, "memory", 0, "paddr"),
        ("stops", 0, "registers", "rip"),
        ("stops", 1, "symbols", "boot_params"),
        ("outcome", "died", "rip"),
        ("outcome", "timeout", "rip"),
    ],
    ids=lambda path: ".".join(map(str, path)),
)
def test_addresses_must_be_unsigned_64_bit_integers(path: tuple[Any, ...], value: object) -> None:
    with pytest.raises(checked.NotARecording):
        replay.replay(changed(small(), path, value))


@pytest.mark.parametrize(
    "memory",
    [
        [{"paddr": 16, "hex": "00"}, {"paddr": 0, "hex": "00"}],
        [{"paddr": 0, "hex": "0000"}, {"paddr": 1, "hex": "00"}],
        [{"paddr": 0, "hex": "00"}, {"paddr": 1, "hex": "00"}],
    ],
)
def test_memory_blocks_must_be_ascending_and_must_not_touch(memory: Any) -> None:  # noqa: ANN401 - JSON
    document = changed(small(), ("stops", 0, "memory"), memory)

    with pytest.raises(checked.NotARecording, match="ascending"):
        replay.replay(document)
