"""Names of places in the guest's code, from the kernel's symbols and debug information."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.boot.stop.address import symbol_at
from pvhdbg.boot.who.answer import Code
from pvhdbg.image.debug_info.source_lines import SourceLines

if TYPE_CHECKING:
    from pvhdbg.image.load import Kernel


class CodePlaces:
    """Names places in the guest's code: symbol, inlined functions and source line. Each place is looked up once."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self._lines = SourceLines(kernel.symbols.path)
        self._known: dict[int, Code] = {}

    def close(self) -> None:
        self._lines.close()

    def at(self, rip: int) -> Code:
        if rip not in self._known:
            image = self.kernel.facts
            linked = image.to_vaddr(rip)
            line = self._lines.at(rip if linked is None else linked)
            symbol = symbol_at(self.kernel.symbols.enclosing, image, rip)
            self._known[rip] = Code(rip, symbol, line.inlined, line.source)
        return self._known[rip]
