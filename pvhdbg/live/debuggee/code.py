"""The code where a machine stands: its source where gdb knows it and the file is there, else its instructions."""

from __future__ import annotations

import re
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pvhdbg.abi.text import printable
from pvhdbg.errors import TargetError
from pvhdbg.live.gdb import breakpoints
from pvhdbg.target.base import NO_MONITOR
from pvhdbg.target.mi import console_command

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pvhdbg.live.debuggee.debuggee import Debuggee
    from pvhdbg.live.gdb.breakpoints import Breakpoints, Line

INSTRUCTIONS = 48
MOST_SOURCE = 1 << 20
LONGEST_X86 = 15
_LJMP = b"\xea"
"""Seven bytes long, with its offset of four and a selector."""
REAL, LONG = "real16", "long64"
_BY_MONITOR = "instructions, as QEMU's monitor reads them in {}"
_MONITOR_LINE = re.compile(r"(0x[0-9a-f]+):  (?:[0-9a-f]{2} )+ *(\S.*)")


class CodeLine(NamedTuple):
    """A line of source (`number`) or an instruction (`address`); `current` is where RIP is."""

    text: str
    address: int | None = None
    number: int | None = None
    current: bool = False
    breakpoint: bool = False


class Code(NamedTuple):
    """`title` names the file or the mode; `why` is there where there is nothing to show."""

    title: str = ""
    lines: tuple[CodeLine, ...] = ()
    why: str = ""

    def place(self, line: CodeLine) -> int | Line:
        """Where a breakpoint for one of the lines belongs."""
        return (self.title, line.number or 0) if line.address is None else line.address


def at_rip(debuggee: Debuggee, mode: str) -> Code:
    """The code at RIP; `mode` is the CPU's: gdb takes 32-bit code for 64-bit code, QEMU's monitor knows better."""
    try:
        rip = debuggee.machine.target.register("rip")
        return _marked(_source(debuggee) or _instructions(debuggee, rip, mode), breakpoints.read(debuggee.machine.gdb))
    except TargetError as error:
        return Code(why=str(error))


def ahead(debuggee: Debuggee, mode: str) -> Callable[[], Code]:
    """Ask for the instructions at RIP, and don't wait: what gives them once somebody wants to see them."""
    if mode in (LONG, REAL) or not debuggee.machine.target.has_monitor:
        return Code
    rip = debuggee.machine.target.register("rip")
    asked = debuggee.machine.gdb.send(console_command(f"monitor {_listing(rip)}"))

    @cache
    def answer() -> Code:
        try:
            return Code(_BY_MONITOR.format(mode), _parsed(debuggee.machine.gdb.wait(asked).text, rip))
        except TargetError as error:
            return Code(why=str(error))

    return answer


def _marked(code: Code, known: Breakpoints) -> Code:
    """With the breakpoints."""
    if not known.addresses:
        return code
    lines = (each._replace(breakpoint=bool(known.at(code.place(each)))) for each in code.lines)
    return code._replace(lines=tuple(lines))


def frame(debuggee: Debuggee) -> dict[str, str]:
    """What gdb says of the frame it looks at, where symbols may tell more than the address; empty where it can't."""
    if not debuggee.has_symbols:
        return {}
    with suppress(TargetError):
        found: dict[str, str] = debuggee.machine.gdb.ask("-stack-info-frame").payload.get("frame", {})
        return found
    return {}


def _source(debuggee: Debuggee) -> Code | None:
    at = frame(debuggee)
    lines = _read(at.get("fullname"))
    if lines is None or "line" not in at:
        return None
    current = int(at["line"])
    return Code(at["fullname"], tuple(_source_line(text, number, current) for number, text in enumerate(lines, 1)))


def _source_line(text: str, number: int, current: int) -> CodeLine:
    return CodeLine(text.expandtabs(), None, number, number == current)


def _read(path: str | None) -> Sequence[str] | None:
    """A file's lines, as compilers count them. Its name comes from the symbols, so it may be anything."""
    try:
        if path is None or not Path(path).is_file() or Path(path).stat().st_size > MOST_SOURCE:
            return None
        return Path(path).read_text(errors="replace").split("\n")
    except (OSError, ValueError):
        return None


def _instructions(debuggee: Debuggee, rip: int, mode: str) -> Code:
    if mode == LONG:
        return Code("instructions, as gdb reads them in long64", _by_gdb(debuggee, rip))
    if mode == REAL:
        # Asked by a stub to disassemble at the reset vector of a microvm, QEMU 7.2 answers, and the guest hangs later.
        return Code(why="firmware in real mode, before the guest's first instruction")
    if debuggee.machine.target.has_monitor:
        text = debuggee.machine.target.monitor(_listing(_start(debuggee, rip)))
        return Code(_BY_MONITOR.format(mode), _parsed(text, rip))
    return Code(why=f"gdb reads {mode} code as 64-bit code, and {NO_MONITOR}")


def _start(debuggee: Debuggee, rip: int) -> int:
    """Where to begin, so that instructions are whole: the function's first, if that is near."""
    linked = debuggee.image.linked(rip) if debuggee.image else None
    found = debuggee.symbols.enclosing(rip if linked is None else linked) if debuggee.symbols else None
    near = found is not None and found[1] <= INSTRUCTIONS * 4
    return rip - found[1] if found is not None and near else rip


def _by_gdb(debuggee: Debuggee, rip: int) -> tuple[CodeLine, ...]:
    start = _after_32_bit(debuggee, _start(debuggee, rip), rip)
    end = rip + INSTRUCTIONS * LONGEST_X86 // 3
    found = debuggee.machine.gdb.ask(f"-data-disassemble -s {start:#x} -e {end:#x} -- 0").payload.get("asm_insns", [])
    return tuple(_instruction(int(each["address"], 16), each["inst"], rip) for each in found)


def _after_32_bit(debuggee: Debuggee, start: int, rip: int) -> int:
    """Where 64-bit code begins: a PVH entry is 32-bit code, ended by a far jump to what follows. RIP without one."""
    entry = debuggee.image.entry if debuggee.image else None
    if entry is None or debuggee.image is None or start not in (entry, debuggee.image.linked(entry)):
        return start
    found = debuggee.machine.target.read_phys(entry, rip - start)
    jumps = (at for at in range(len(found)) if found[at : at + 5] == _LJMP + (entry + at + 7).to_bytes(4, "little"))
    return start + max(jumps, default=rip - start - 7) + 7


def _listing(start: int) -> str:
    return f"x/{INSTRUCTIONS}i {start:#x}"


def _parsed(text: str, rip: int) -> tuple[CodeLine, ...]:
    return tuple(_instruction(int(address, 16), words, rip) for address, words in _MONITOR_LINE.findall(text))


def _instruction(address: int, words: str, rip: int) -> CodeLine:
    return CodeLine(printable(words.strip()), address, None, address == rip)
