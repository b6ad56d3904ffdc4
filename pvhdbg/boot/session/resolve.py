"""What a command's words mean: a captured stop, a physical address, a start_info at another address."""

from __future__ import annotations

from itertools import takewhile
from typing import TYPE_CHECKING

from pvhdbg.abi.text import printable
from pvhdbg.boot.stop.address import Addresses
from pvhdbg.boot.stop.stop import Stop
from pvhdbg.errors import UserError

if TYPE_CHECKING:
    from pvhdbg.boot.session.protocol import Session
    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.image.facts import ImageFacts
    from pvhdbg.target.base import Target


def stop_of(session: Session, capture: Capture) -> Stop:
    """Return a capture of the session with the captures of the stages before it."""
    earlier = takewhile(lambda earlier: earlier.stage != capture.stage, session.history)
    return Stop(capture, tuple(earlier), session.image)


def capture_named(session: Session, stage: str) -> Capture:
    """Return the last capture at a stage.

    :raise UserError: if there is none.
    """
    found = [capture for capture in session.history if capture.stage == stage]
    if found:
        return found[-1]
    stages = ", ".join(capture.stage for capture in session.history)
    shown = f'"{printable(stage[:80])}"'
    raise UserError(f"no capture at stage {shown}", f"use one of: {stages}" if stages else "run to a stage first")


def physical(session: Session, capture: Capture, text: str) -> int:
    """Return the physical address that the user typed.

    :raise PvhdbgError: if it is not an address, or is not mapped.
    """
    return physical_of(session, capture, session.evaluate(text, capture))


def physical_of(session: Session, capture: Capture, address: int) -> int:
    """Return the physical address of an address: a kernel address is translated, any other is physical already.

    :raise TargetError: if it is not mapped.
    """
    linked = linked_physical(session.image, address)
    if linked is not None:
        return linked
    if address >> 47:
        return Addresses(session.target_at(capture), capture.registers, session.image).physical(address)
    return address


def linked_physical(image: ImageFacts | None, address: int) -> int | None:
    """Return where a link address of the kernel is loaded, or None if it is not one.

    A low address is taken as it is, though per-CPU data is linked at 0.
    """
    for segment in image.segments if image else ():
        if segment.paddr < segment.vaddr <= address < segment.vaddr + segment.memsz:
            return address - segment.vaddr + segment.paddr
    return None


class _WithRbx:
    """A target whose RBX holds another value."""

    def __init__(self, target: Target, rbx: int) -> None:
        self._rbx = rbx
        self.read_phys = target.read_phys
        self.symbol = target.symbol
        self._register = target.register

    def register(self, name: str) -> int:
        return self._rbx if name == "rbx" else self._register(name)


def start_info_at(target: Target, image: ImageFacts | None, paddr: int) -> Capture:
    """Capture the start_info at a physical address and everything that it points to.

    :raise UserError: for an address that does not fit into EBX.
    """
    from pvhdbg.boot.stop.read import read_capture

    if paddr >> 32:
        raise UserError(f"{paddr:#x} is above 4 GiB, but EBX holds 32 bits", "use a start_info below 4 GiB")
    return read_capture(_WithRbx(target, paddr), "entry", image, paddr)
