"""The kernel's symbols at physical addresses, in gdb, while the guest runs there.

A kernel's symbols and lines are at its link addresses. Up to the jump to these, RIP is a physical address, for which
gdb would know no name, no line and no place for a breakpoint.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from pvhdbg.errors import TargetError
from pvhdbg.target.mi.client import console_command, quote

if TYPE_CHECKING:
    from pvhdbg.image.facts import ImageFacts
    from pvhdbg.live.gdb.mi_client import MiClient


class PhysicalSymbols:
    """Whether gdb has the symbols at physical addresses. `place` is an address in them, by which gdb removes them."""

    def __init__(self) -> None:
        self.place: int | None = None

    @property
    def loaded(self) -> bool:
        return self.place is not None

    def load(self, gdb: MiClient, image: ImageFacts | None, path: str, rip: int) -> None:
        """If `rip` is a physical address in the kernel, read the symbols of the file at `path` once more.

        :raise TargetError: with gdb's own message.
        """
        linked = image.to_vaddr(rip) if image else None
        if self.loaded or image is None or linked in (None, rip):
            return
        offset = rip - linked + image.moved_by
        shift = f"-{-offset:#x}" if offset < 0 else f"{offset:#x}"
        gdb.ask(console_command(f"add-symbol-file {quote(path)} -o {shift}"), None)
        self.place = rip

    def remove(self, gdb: MiClient) -> None:
        """Remove the symbols at physical addresses, if gdb has them."""
        if self.place is None:
            return
        with suppress(TargetError):  # the user may have removed them
            gdb.ask(console_command(f"remove-symbol-file -a {self.place:#x}"), None)
        self.place = None
