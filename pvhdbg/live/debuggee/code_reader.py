"""Read the code at RIP: instructions from memory, and from gdb the source lines that they were made from."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from pvhdbg.abi.text import printable
from pvhdbg.boot.stop.address import Addresses, linear_address, paging_registers
from pvhdbg.errors import TargetError
from pvhdbg.image.debug_info.dwarf import BUILD_FOLDER
from pvhdbg.live.debuggee.code import Bytes, Code, Place, instructions, with_source
from pvhdbg.live.gdb import breakpoints
from pvhdbg.live.gdb.results import Results
from pvhdbg.named_tuple import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pvhdbg.image.debug_info.symbols import Symbols
    from pvhdbg.image.facts import ImageFacts
    from pvhdbg.live.debuggee.gdb_machine import GdbMachine
    from pvhdbg.live.gdb.breakpoints import Breakpoints

BEFORE, AFTER = 1024, 320
"""How many bytes of a function are shown before RIP, at most, and after it."""
_REAL = "real16"
_PAGE = 0x1000


class CodeReader(NamedTuple):
    """A machine, and what is known about its kernel. `has_gdb_symbols`: whether gdb has loaded the kernel's symbols.

    `name_of` returns the symbol at an address. `map_symbols` lets gdb find lines at physical addresses too.
    """

    machine: GdbMachine
    image: ImageFacts | None = None
    symbols: Symbols | None = None
    has_gdb_symbols: bool = False
    name_of: Callable[[int], str | None] = lambda _: None
    map_symbols: Callable[[], None] = lambda: None

    def at_rip(self, mode: str) -> Code:
        """Return the code at RIP in CPU mode `mode`."""
        try:
            code = self.decode(self.read(mode))
            return _with_breakpoints(code, breakpoints.read(self.machine.gdb))
        except TargetError as error:
            return Code(why=str(error))

    def read(self, mode: str) -> Bytes:
        """Read the bytes of the code at RIP, to be decoded at once or later.

        :raise TargetError: if the registers or the memory at RIP cannot be read.
        """
        target = self.machine.target
        registers: dict[str, int | None] = dict(paging_registers(target))
        with suppress(TargetError):
            registers["cs.base"] = target.register("cs.base")
        rip = linear_address(target.register("rip"), registers)
        start = rip if mode == _REAL else self._start(rip)
        addresses = Addresses(target, registers, self.image)
        data = b""
        while start + len(data) < rip + AFTER:
            at = start + len(data)
            end = min(at - at % _PAGE + _PAGE, rip + AFTER)
            try:
                data += target.read_phys(addresses.physical(at), end - at)
            except TargetError:
                if at <= rip:
                    raise
                break
        return Bytes(mode, rip, start, data)

    def decode(self, code: Bytes) -> Code:
        """Return the instructions, with their source lines as far as gdb knows them."""
        if code.bits is None:
            return Code(why=f"CPU mode {code.mode}: the size of instructions is not known")
        lines = tuple(instructions(code, self.image, self.name_of))
        places = self._places(lines[0].address or 0, code.start + len(code.data)) if lines else {}
        shown = tuple(with_source(lines, places))
        source = next((line.source for line in shown if line.current and line.address is not None), "")
        title = f"{code.bits}-bit instructions"
        is_readable = any(line.text for line in shown if line.number is not None)
        if source:
            title = f"{source}, with its {title}" if is_readable else f"{source}, {title} (source file not found)"
        return Code(title, shown)

    def frame(self) -> Results:
        """Return MI's description of the selected frame; empty without symbols, or if gdb can't describe it."""
        if not self.has_gdb_symbols:
            return Results({})
        with suppress(TargetError):
            return self.machine.gdb.ask("-stack-info-frame").results.results("frame")
        return Results({})

    def _start(self, rip: int) -> int:
        """Return where to start decoding: at the start of the function if that is near, otherwise at RIP.

        Decoding that starts inside an instruction would give wrong instructions.
        """
        linked = self.image.to_vaddr(rip) if self.image else None
        moved_by = self.image.moved_by if self.image else 0
        found = self.symbols.enclosing((rip if linked is None else linked) - moved_by) if self.symbols else None
        return rip - found[1] if found is not None and found[1] <= BEFORE else rip

    def _places(self, start: int, end: int) -> dict[int, Place]:
        """Ask gdb for the source lines of a range. Before paging, it can read the kernel only at physical addresses."""
        linked = self.image.to_vaddr(start) if self.image else None
        if not self.has_gdb_symbols or not self.machine.is_with_gdb:
            return {}
        for first in dict.fromkeys((start if linked is None else linked, start)):
            with suppress(TargetError):
                if first != linked:
                    self.map_symbols()
                command = f"-data-disassemble -s {first:#x} -e {first + end - start:#x} -- 5"
                answer = self.machine.gdb.ask(command).results
                return {at - first + start: place for at, place in _places(answer)}
        return {}


def _places(answer: Results) -> Iterator[tuple[int, Place]]:
    """Yield the address at which each source line's code begins."""
    for entry in answer.results_list("asm_insns"):
        if "line_asm_insn" in entry and "line" in entry:
            for instruction in entry.results_list("line_asm_insn")[:1]:
                name = printable(BUILD_FOLDER.sub("", entry.text("file", "")))
                yield instruction.number("address", 16), Place(entry.text("fullname", ""), name, entry.number("line"))


def _with_breakpoints(code: Code, known: Breakpoints) -> Code:
    if not known.addresses:
        return code
    places = ((line, line.place) for line in code.lines)
    lines = (line if at is None else line._replace(breakpoint=bool(known.at(at))) for line, at in places)
    return code._replace(lines=tuple(lines))
