"""Calls of the functions that mark stages: observed at their first instruction, or found on the stack later."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from pvhdbg.errors import TargetError
from pvhdbg.guest_profiles.linux import PARSER
from pvhdbg.named_tuple import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from pvhdbg.boot.stop.address import Addresses
    from pvhdbg.image.facts import ImageFacts
    from pvhdbg.target.base import Target

CALLERS = ("pvh_start_xen", "pvh_start_64")
"""The functions that call xen_prepare_pvh in Linux and in the teaching guest. The call fills in pvh_bootparams."""

_DEEPEST = 0x1000
"""The most bytes of stack that a caller may use above the frame of the function that it called."""
_SEARCHED = 0x1000
"""How many bytes of the stack are searched for the call of a function."""
_PAGE = 0x1000
_CALL, _CALL_SIZE = 0xE8, 5
_CALL_REGISTER = range(0xD0, 0xD8)
"""The second byte of `call *%rax` and the like, whose first byte is 0xff."""


class ObservedCall(NamedTuple):
    """A function call that was observed at the function's first instruction, or that was found on the stack.

    `return_vaddr` is the return address; `slot_paddr` and `slot_vaddr` are the address of its stack slot.
    """

    return_vaddr: int
    slot_paddr: int
    slot_vaddr: int

    def has_returned(self, target: Target) -> bool:
        """Return whether the function has returned: its stack slot is overwritten, or RSP is above the slot."""
        raw = target.read_phys(self.slot_paddr, 4)
        rsp = target.register("rsp")
        is_overwritten = raw != (self.return_vaddr & 0xFFFFFFFF).to_bytes(4, "little")
        return is_overwritten or self.slot_vaddr < rsp <= self.slot_vaddr + _DEEPEST


def observe(target: Target, addresses: Addresses) -> ObservedCall:
    """Return the call of the current function. The machine is at the first instruction of the function."""
    rsp = target.register("rsp")
    return ObservedCall(addresses.return_address(), addresses.physical(rsp), rsp)


class StackSearch(NamedTuple):
    """The input of a search on the stack. `name_of` returns an address as symbol+offset."""

    target: Target
    image: ImageFacts
    addresses: Addresses
    name_of: Callable[[int], str | None]

    def calls(self, functions: Mapping[str, Collection[int]]) -> dict[str, ObservedCall]:
        """Return the innermost call of each function that has not returned. `functions` has their possible addresses.

        A word on the stack is a return address if the instruction before the place that it names calls the function.
        """
        found: dict[str, ObservedCall] = {}
        innermost: dict[int, tuple[int, int]] = {}
        for word, paddr, vaddr in self._words():  # most words of an early stack are 0
            innermost.setdefault(word, (paddr, vaddr))
        for word, (paddr, vaddr) in innermost.items():
            for symbol in self._called_before(word, functions):
                found.setdefault(symbol, ObservedCall(word, paddr, vaddr))
        return found

    def _words(self) -> Iterator[tuple[int, int, int]]:
        """Yield the words of the stack from RSP up, with their physical and virtual addresses."""
        size, vaddr = self.addresses.word_size(), self.target.register("rsp")
        end = vaddr + _SEARCHED
        while vaddr < end:
            stop = min(vaddr - vaddr % _PAGE + _PAGE, end)
            try:
                paddr = self.addresses.physical(vaddr)
                data = self.target.read_phys(paddr, stop - vaddr)
            except TargetError:  # the end of the stack
                return
            for at in range(0, len(data) - size + 1, size):
                yield int.from_bytes(data[at : at + size], "little"), paddr + at, vaddr + at
            vaddr = stop

    def _called_before(self, address: int, functions: Mapping[str, Collection[int]]) -> Iterator[str]:
        """Yield the functions that the instruction before `address` calls: directly, or in Linux through a register."""
        is_physical = self.image.to_vaddr(address) is not None
        paddr = address if is_physical else self.image.to_paddr(address)
        if paddr is None or paddr < _CALL_SIZE:
            return
        code = b""
        with suppress(TargetError):
            code = self.target.read_phys(paddr - _CALL_SIZE, _CALL_SIZE)
        if not code:
            return
        goes_to = address + int.from_bytes(code[1:], "little", signed=True)
        by_register = code[-2] == 0xFF and code[-1] in _CALL_REGISTER
        in_caller = by_register and (self.name_of(address) or "").partition("+")[0] in CALLERS
        for symbol, places in functions.items():
            if (code[0] == _CALL and goes_to in places) or (in_caller and symbol == PARSER):
                yield symbol
