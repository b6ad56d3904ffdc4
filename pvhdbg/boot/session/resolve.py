"""What a question is about: a stop that was captured, an address as it is meant, a start_info somewhere else."""

from __future__ import annotations

from itertools import takewhile
from typing import TYPE_CHECKING

from pvhdbg.abi.text import printable
from pvhdbg.boot.stop.address import Addresses
from pvhdbg.errors import UserError

if TYPE_CHECKING:
    from pvhdbg.boot.session.live import Session
    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.image.facts import ImageFacts
    from pvhdbg.target.base import Target


def before(session: Session, seen: Capture) -> tuple[Capture, ...]:
    return tuple(takewhile(lambda each: each.stage != seen.stage, session.history))


def captured(session: Session, stage: str) -> Capture:
    """What was captured at a stage.

    :raise UserError: if nothing was.
    """
    found = [each for each in session.history if each.stage == stage]
    if found:
        return found[-1]
    names = ", ".join(each.stage for each in session.history)
    raise UserError(f'nothing was captured at stage "{printable(stage[:80])}"', f"captured: {names or 'nothing'}")


def physical(session: Session, seen: Capture, words: str) -> int:
    """A physical address out of an expression.

    :raise PvhdbgError: if it is no expression, or an address that is mapped nowhere.
    """
    return physical_of(session, seen, session.evaluate(words, seen))


def physical_of(session: Session, seen: Capture, address: int) -> int:
    """The physical address that is meant by an address: the kernel's are translated.

    :raise TargetError: for an address that is mapped nowhere.
    """
    for each in session.image.segments if session.image else ():
        # Not per-CPU data, which is linked at 0: a low address is meant as it stands.
        if each.paddr < each.vaddr <= address < each.vaddr + each.memsz:
            return address - each.vaddr + each.paddr
    if address >> 47:
        return Addresses(session.target_at(seen), seen.registers, session.image).physical(address)
    return address


class _Entered:
    """A machine as if it stood at its entry with EBX somewhere else."""

    def __init__(self, target: Target, rbx: int) -> None:
        self._rbx = rbx
        self.read_phys = target.read_phys
        self.symbol = target.symbol
        self._register = target.register

    def register(self, name: str) -> int:
        return self._rbx if name == "rbx" else self._register(name)


def start_info_at(target: Target, image: ImageFacts | None, paddr: int) -> Capture:
    """What a start_info at a physical address hands over, and all that it leads to.

    :raise UserError: for an address that EBX can't hold.
    """
    from pvhdbg.boot.stop.read import capture

    if paddr >> 32:
        raise UserError(f"{paddr:#x} is above 4 GiB: EBX could not point to a start_info there")
    return capture(_Entered(target, paddr), "entry", image, paddr)
