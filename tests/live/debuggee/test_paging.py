"""Page tables and segments, compared with what QEMU's monitor says: `info mem`, `gva2gpa` and `info registers`."""

from __future__ import annotations

import json
import re

from pvhdbg import commands
from pvhdbg.abi.paging import mapped, walk
from pvhdbg.abi.segments.table import selector
from pvhdbg.boot.record.replay import replay
from pvhdbg.boot.session.recorded import RecordedSession
from pvhdbg.boot.stop import page_tables
from pvhdbg.boot.stop.capture import Capture
from pvhdbg.live.debuggee.debuggee import Debuggee
from pvhdbg.views.rows import segment_rows
from pvhdbg.views.to_json import document_json


def joined(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the ranges in ascending order, with adjacent ones joined."""
    result: list[tuple[int, int]] = []
    for start, end in sorted(ranges):
        if result and result[-1][1] == start:
            result[-1] = (result[-1][0], end)
        else:
            result.append((start, end))
    return result


SEGMENT = re.compile(r"^(.S) *=([0-9a-f]{4}) .*DPL=(\d) (\w+) +\[(.{3})\]", re.MULTILINE)
KINDS = {
    "CS64": "64-bit code",
    "CS32": "32-bit code",
    "CS16": "16-bit code",
    "DS": "32-bit data",
    "DS16": "16-bit data",
}
LETTERS = {"R": "read", "A": "accessed", "W": "write", "E": "expands down", "C": "conforming"}


def check_segments(theirs: str, capture: Capture) -> None:
    """Compare kind, privilege level and rights of each segment register, and of its entry in the GDT, with QEMU's."""
    table = {entry.number: entry.descriptor for entry in segment_rows.gdt(capture).entries}
    found = SEGMENT.findall(theirs)
    assert {"CS", "DS", "SS"} <= {name for name, *_ in found}
    for name, value, privilege, kind, letters in found:
        loaded = segment_rows.hidden_part(capture, name.lower())
        assert loaded is not None
        wanted = {LETTERS[letter] for letter in letters if letter != "-"}
        rights = {*loaded.rights.split(", ")} & {*LETTERS.values()}

        assert (KINDS[kind], int(privilege), wanted - {"read"}) == (
            loaded.kind,
            loaded.value("DPL"),
            rights - {"read"},
        )
        if capture.registers[name.lower()]:
            assert table[selector(int(value, 16)).number].kind == loaded.kind


def test_walks_and_mappings_are_those_of_qemu_and_a_recording_has_them_too(debuggee: Debuggee) -> None:
    monitor, answers = debuggee.machine.target.monitor, {}
    for stage in ("prepare", "bootparams", "kernel"):
        capture = debuggee.to_stage(stage).capture
        paging = page_tables.paging_of(capture.registers)
        assert paging is not None
        read = page_tables.of_capture(capture)
        check_segments(monitor("info registers"), capture)
        theirs = [
            (int(start, 16) | (0xFFFF << 48 if int(start, 16) >> 47 & 1 else 0), int(size, 16))
            for start, size in re.findall(r"^([0-9a-f]+)-[0-9a-f]+ ([0-9a-f]+) ", monitor("info mem"), re.MULTILINE)
        ]
        ours = [(one.vaddr, one.vaddr + one.size) for one in mapped(read, paging, 64)]

        assert joined([(start, start + size) for start, size in theirs]) == joined(ours)
        assert len(page_tables.wanted(capture)) >= 4
        for vaddr in page_tables.wanted(capture).values():
            found = re.search(r"gpa: (0x[0-9a-f]+)", monitor(f"gva2gpa {vaddr:#x}"))
            assert walk(read, paging, vaddr).paddr == (int(found[1], 16) if found else None)
        for command in ("paging", "cpu"):
            answers[f"{command} @{stage}"] = commands.run(debuggee.session, f"{command} @{stage}")

    document = replay(json.loads(document_json.dumps(debuggee.session.document())))
    again = {line: commands.run(RecordedSession(document), line) for line in answers}

    assert answers == again
    assert "not captured" not in "".join(answers.values())
    assert "PML4[511]" in answers["paging @kernel"]
    assert "64-bit code from gdt[1]" in answers["cpu @kernel"]
