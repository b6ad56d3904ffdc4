"""The code at RIP in real kernels, compared with what gdb, objdump and the source say."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

from pvhdbg import guest
from pvhdbg.live.debuggee.code import with_names
from pvhdbg.live.debuggee.debuggee import Debuggee
from tests.live.runs import started

if TYPE_CHECKING:
    from pathlib import Path

    from pvhdbg.live.debuggee.code import Code, CodeLine


def code_at(debuggee: Debuggee, stage: str) -> Code:
    return debuggee.code_at_rip(debuggee.to_stage(stage).capture.cpu_mode)


def above(code: Code, line: CodeLine) -> list[str]:
    """Return the source lines directly above an instruction."""
    lines = code.lines[: code.lines.index(line)]
    count = next((at for at, one in enumerate(reversed(lines)) if one.address is not None), len(lines))
    return [one.text.strip() for one in lines[len(lines) - count :]]


def objdump(start: int, end: int, *, symbol: str) -> list[int]:
    """Return the addresses of the instructions that objdump finds in the teaching guest."""
    words = ["objdump", "-d", f"--disassemble={symbol}", str(guest.ELF)]
    text = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    found = (int(address, 16) for address in re.findall(r"^ *([0-9a-f]+):\t[0-9a-f ]+\t", text, re.MULTILINE))
    return [address for address in found if start <= address < end]


def test_the_start_of_a_stack_is_named_after_the_stack_not_after_what_follows_it() -> None:
    names = {0x100B01F: "early_stack+0xfff", 0x100B020: "pvh_map_source", 0x2000: "gdt"}

    assert "movl $0x100b020, %esp <end of early_stack>" == with_names("movl $0x100b020, %esp", names.get)
    assert "movl $0x100b020, %eax <pvh_map_source>" == with_names("movl $0x100b020, %eax", names.get)
    assert "lgdtl 0x2000 <gdt>" == with_names("lgdtl 0x2000", names.get)
    assert "movl $0x3000, %esp" == with_names("movl $0x3000, %esp", names.get)


def test_the_teaching_guests_entry_is_shown_with_its_source(debuggee: Debuggee) -> None:
    code = code_at(debuggee, "entry")
    by_text = {line.text: line for line in code.lines if line.address is not None}
    lgdt = by_text["lgdtl  0x1002018 <gdt_pointer_low>"]

    assert "entry.S:30, with its 32-bit instructions" == code.title
    assert ["cld", "cld"] == [line.text.strip() for line in code.lines if line.current]
    assert above(code, lgdt)[-1] == "lgdt pa(gdt_pointer_low)"
    assert above(code, lgdt)[-2].startswith("/* The VMM's segments are usable")
    assert (bytes.fromhex("0f011518200001"), "entry.S:33") == (lgdt.raw, lgdt.source)
    assert lgdt.address is not None
    assert debuggee.machine.target.read_phys(lgdt.address, 7) == lgdt.raw


def test_after_the_jump_to_64_bit_code_instructions_are_those_of_objdump(debuggee: Debuggee) -> None:
    assert debuggee.symbols is not None
    assert debuggee.image is not None
    start = debuggee.symbols.address("pvh_start_64")
    low = debuggee.image.to_paddr(start)
    shift = start - (low or 0)
    code = code_at(debuggee, "entry")
    ours = [line.address + shift for line in code.lines if line.address is not None and line.address >= (low or 0)]
    theirs = objdump(start, start + 16, symbol="pvh_start_64")

    assert theirs == ours[: len(theirs)]
    assert len(theirs) > 3


def test_at_bootparams_the_source_is_shown_although_rip_is_a_physical_address(debuggee: Debuggee) -> None:
    code = code_at(debuggee, "bootparams")

    assert code.title.startswith("entry.S:")
    assert ["mov $pa(pvh_bootparams), %esi", "movl   $0x10142c0, %esi <pvh_bootparams>"] == [
        line.text.strip() for line in code.lines if line.current
    ]
    assert "call *%rax" in [line.text.strip() for line in code.lines]


def test_a_passed_stage_has_source_and_instructions_once_gdb_has_the_symbols() -> None:
    with started(guest.ELF) as debuggee:
        debuggee.to_stage("prepare")
        without = debuggee.code_at_passed_stages()["entry"]
        debuggee.load_symbols()
        entry = debuggee.code_at_passed_stages()["entry"]

    assert "32-bit instructions" == without.title
    assert [0x1000000] == [line.address for line in without.lines if line.current]
    assert "entry.S:30, with its 32-bit instructions" == entry.title


def test_a_breakpoint_at_a_source_line_of_physical_code_is_shown_there(debuggee: Debuggee) -> None:
    code = code_at(debuggee, "entry")
    (line,) = (line for line in code.lines if line.text.strip() == "rdmsr" and line.number is not None)
    assert line.place is not None
    debuggee.toggle_breakpoint(line.place)
    marked = [one for one in code_at(debuggee, "entry").lines if one.breakpoint]
    debuggee.resume("continue")

    assert ["rdmsr", "rdmsr"] == [one.text.strip() for one in marked]
    assert marked[1].address == debuggee.machine.target.register("rip")


def test_linuxs_entry_is_32_bit_code_and_then_64_bit_code_and_has_places_in_files_that_are_not_here(
    vmlinux_61: Path,
) -> None:
    with started(vmlinux_61) as debuggee:
        code = code_at(debuggee, "bootparams")
        debuggee.load_symbols()
        with_places = code_at(debuggee, "bootparams")
    texts = [line.text.partition("  #")[0] for line in code.lines if line.address is not None]
    (call,) = (at for at, line in enumerate(texts) if line == "callq  *%rax")
    current = next(line for line in code.lines if line.current and line.address is not None)

    assert "cld" == texts[0]
    assert any(line.startswith("ljmp") for line in texts)
    assert current.text.endswith("<pvh_bootparams>")
    assert texts[call + 1] == current.text
    assert not any("(bad)" in line or ".byte" in line for line in texts[: call + 3])
    assert with_places.title.startswith("arch/x86/platform/pvh/head.S:")
    assert {"arch/x86/platform/pvh/head.S"} == {
        line.source.partition(":")[0] for line in with_places.lines if line.current
    }
