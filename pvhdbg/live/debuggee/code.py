"""The code at RIP: source if gdb knows the line and the file can be read, otherwise instructions."""

from __future__ import annotations

import re
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pvhdbg.abi.text import printable
from pvhdbg.errors import TargetError
from pvhdbg.live.gdb import breakpoints
from pvhdbg.live.gdb.results import Results
from pvhdbg.target.base import NO_MONITOR
from pvhdbg.target.mi.client import console_command

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pvhdbg.image.debug_info.symbols import Symbols
    from pvhdbg.image.facts import ImageFacts
    from pvhdbg.live.debuggee.gdb_machine import GdbMachine
    from pvhdbg.live.gdb.breakpoints import Breakpoints, Line

INSTRUCTIONS = 48
MOST_SOURCE = 1 << 20
LONGEST_X86 = 15
_LJMP = b"\xea"
"""The opcode of a far jump. The instruction has seven bytes: the opcode, a 4-byte offset and a 2-byte selector."""
REAL, LONG = "real16", "long64"
_BY_MONITOR = "instructions, as QEMU's monitor decodes them in {}"
_MONITOR_LINE = re.compile(r"(0x[0-9a-f]{1,16}):  (?:[0-9a-f]{2} )+ *(\S.*)")


class CodeLine(NamedTuple):
    """A line of source (`number`) or an instruction (`address`); `current` is the one at RIP."""

    text: str
    address: int | None = None
    number: int | None = None
    current: bool = False
    breakpoint: bool = False


class Code(NamedTuple):
    """Lines of code. `title` is the source file or the decoder's name; `why` is the reason why there are no lines."""

    title: str = ""
    lines: tuple[CodeLine, ...] = ()
    why: str = ""

    def place(self, line: CodeLine) -> int | Line:
        """Return where to set a breakpoint for one of the lines."""
        return (self.title, line.number or 0) if line.address is None else line.address


class CodeReader(NamedTuple):
    """A machine, and what is known about its kernel. `has_gdb_symbols`: whether gdb has loaded the kernel's symbols."""

    machine: GdbMachine
    image: ImageFacts | None = None
    symbols: Symbols | None = None
    has_gdb_symbols: bool = False

    def at_rip(self, mode: str) -> Code:
        """Return the code at RIP in CPU mode `mode`. gdb decodes only 64-bit code, QEMU's monitor the rest."""
        try:
            rip = self.machine.target.register("rip")
            code = self._source_code() or self._instructions(rip, mode)
            return _with_breakpoints(code, breakpoints.read(self.machine.gdb))
        except TargetError as error:
            return Code(why=str(error))

    def read_later(self, mode: str) -> Callable[[], Code]:
        """Ask for the instructions at RIP without waiting. The returned function waits for them and returns them."""
        if mode in (LONG, REAL) or not self.machine.target.has_monitor:
            return Code
        target, rip = self.machine.target, self.machine.target.register("rip")
        if self.machine.is_with_gdb:
            gdb, command = self.machine.gdb, console_command(f"monitor {_list_command(rip)}")
            pending = gdb.send(command)
            return cache(lambda: self._by_monitor(mode, rip, lambda: gdb.wait(pending).text))
        code = self._by_monitor(mode, rip, lambda: target.monitor(_list_command(rip)))
        return lambda: code

    @staticmethod
    def _by_monitor(mode: str, rip: int, text: Callable[[], str]) -> Code:
        try:
            return Code(_BY_MONITOR.format(mode), _parsed(text(), rip))
        except TargetError as error:
            return Code(why=str(error))

    def frame(self) -> Results:
        """Return MI's description of the selected frame; empty without symbols, or if gdb can't describe it."""
        if not self.has_gdb_symbols:
            return Results({})
        with suppress(TargetError):
            return self.machine.gdb.ask("-stack-info-frame").results.results("frame")
        return Results({})

    def _source_code(self) -> Code | None:
        frame = self.frame()
        if "fullname" not in frame or "line" not in frame:
            return None
        path, current = frame.text("fullname"), frame.number("line")
        lines = _read_lines(path)
        if lines is None:
            return None
        return Code(path, tuple(_source_line(text, number, current) for number, text in enumerate(lines, 1)))

    def _instructions(self, rip: int, mode: str) -> Code:
        if mode == LONG:
            return Code("instructions, as gdb decodes them in long64", self._by_gdb(rip))
        if mode == REAL:
            # QEMU 7.2 can disassemble at a microvm's reset vector, but the guest hangs later.
            return Code(why="firmware in real mode, before the guest's first instruction")
        if self.machine.target.has_monitor:
            text = self.machine.target.monitor(_list_command(self._start(rip)))
            return Code(_BY_MONITOR.format(mode), _parsed(text, rip))
        return Code(why=f"gdb decodes {mode} code as 64-bit code, and {NO_MONITOR}")

    def _start(self, rip: int) -> int:
        """Return where to start decoding: at the start of the function if that is near, otherwise at RIP.

        Decoding that starts inside an instruction would give wrong instructions.
        """
        linked = self.image.to_vaddr(rip) if self.image else None
        moved_by = self.image.moved_by if self.image else 0
        found = self.symbols.enclosing((rip if linked is None else linked) - moved_by) if self.symbols else None
        near = found is not None and found[1] <= INSTRUCTIONS * 4
        return rip - found[1] if found is not None and near else rip

    def _by_gdb(self, rip: int) -> tuple[CodeLine, ...]:
        start = self._after_32_bit(self._start(rip), rip)
        end = rip + INSTRUCTIONS * LONGEST_X86 // 3
        reply = self.machine.gdb.ask(f"-data-disassemble -s {start:#x} -e {end:#x} -- 0")
        instructions = reply.results.results_list("asm_insns")
        return tuple(_instruction(entry.number("address", 16), entry.text("inst"), rip) for entry in instructions)

    def _after_32_bit(self, start: int, rip: int) -> int:
        """Return where 64-bit code starts.

        A PVH entry is 32-bit code up to a far jump. If there is no far jump, start at RIP.
        """
        entry = self.image.entry if self.image else None
        if entry is None or self.image is None or start not in (entry, self.image.to_vaddr(entry)):
            return start
        code = self.machine.target.read_phys(entry, rip - start)
        jumps = (at for at in range(len(code)) if code[at : at + 5] == _LJMP + (entry + at + 7).to_bytes(4, "little"))
        return start + max(jumps, default=rip - start - 7) + 7


def _with_breakpoints(code: Code, known: Breakpoints) -> Code:
    if not known.addresses:
        return code
    lines = (line._replace(breakpoint=bool(known.at(code.place(line)))) for line in code.lines)
    return code._replace(lines=tuple(lines))


def _source_line(text: str, number: int, current: int) -> CodeLine:
    return CodeLine(text.expandtabs(), None, number, number == current)


def _read_lines(path: str) -> Sequence[str] | None:
    """Return a file's lines, as compilers count them, or None. The path comes from the symbols and may be anything."""
    try:
        if not Path(path).is_file() or Path(path).stat().st_size > MOST_SOURCE:
            return None
        return Path(path).read_text(errors="replace").split("\n")
    except (OSError, ValueError):
        return None


def _list_command(start: int) -> str:
    return f"x/{INSTRUCTIONS}i {start:#x}"


def _parsed(text: str, rip: int) -> tuple[CodeLine, ...]:
    return tuple(_instruction(int(address, 16), words, rip) for address, words in _MONITOR_LINE.findall(text))


def _instruction(address: int, text: str, rip: int) -> CodeLine:
    return CodeLine(printable(text.strip()), address, None, address == rip)
