"""Page tables, compared with what QEMU's monitor says about them: `info mem` and `gva2gpa`."""

from __future__ import annotations

import json
import re

from pvhdbg import commands
from pvhdbg.abi.paging import mapped, walk
from pvhdbg.boot.record.replay import replay
from pvhdbg.boot.session.recorded import RecordedSession
from pvhdbg.boot.stop import page_tables
from pvhdbg.live.debuggee.debuggee import Debuggee
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


def test_walks_and_mappings_are_those_of_qemu_and_a_recording_has_them_too(debuggee: Debuggee) -> None:
    monitor, answers = debuggee.machine.target.monitor, {}
    for stage in ("prepare", "bootparams", "kernel"):
        capture = debuggee.to_stage(stage).capture
        paging = page_tables.paging_of(capture.registers)
        assert paging is not None
        read = page_tables.of_capture(capture)
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
        answers[stage] = commands.run(debuggee.session, f"paging @{stage}")

    document = replay(json.loads(document_json.dumps(debuggee.session.document())))
    again = {stage: commands.run(RecordedSession(document), f"paging @{stage}") for stage in answers}

    assert answers == again
    assert "not captured" not in "".join(answers.values())
    assert "PML4[511]" in answers["kernel"]
