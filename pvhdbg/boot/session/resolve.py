"""Resolve the arguments of commands: a stage, a physical address, a start_info at another address."""

from __future__ import annotations

from itertools import takewhile
from typing import TYPE_CHECKING

from pvhdbg.abi.text import printable
from pvhdbg.boot.log.kernel_log import POINTER, KernelLog, read_kernel_log, stored_log
from pvhdbg.boot.stop import stages
from pvhdbg.boot.stop.address import Addresses, linked_physical
from pvhdbg.boot.stop.stop import Stop
from pvhdbg.errors import UserError
from pvhdbg.target.recording import Recording

if TYPE_CHECKING:
    from pvhdbg.boot.session.protocol import Session
    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.image.facts import ImageFacts
    from pvhdbg.target.base import Target


def stop_of(session: Session, capture: Capture) -> Stop:
    """Return a capture of the session, together with the captures of the stages before it."""
    earlier = takewhile(lambda earlier: earlier.stage != capture.stage, session.history)
    return Stop(capture, tuple(earlier), session.image)


def capture_named(session: Session, stage: str) -> Capture:
    """Return the last capture at a stage.

    :raise UserError: if the stage is unknown, or was not captured.
    """
    found = [capture for capture in session.history if capture.stage == stage]
    if found:
        return found[-1]
    known = (*stages.NAMES, stages.DIED)
    captured = [capture.stage for capture in session.history]
    if stage not in known:
        raise UserError(f'unknown stage: "{printable(stage[:80])}"', f"use one of: {', '.join(captured or known)}")
    raise UserError(
        f"no capture at stage {stage}", f"use one of: {', '.join(captured)}" if captured else "run to a stage first"
    )


def physical(session: Session, capture: Capture, text: str) -> int:
    """Return the physical address that the user typed.

    :raise PvhdbgError: if the text is not an address, or the address is not mapped.
    """
    return physical_of(session, capture, session.evaluate(text, capture))


def physical_of(session: Session, capture: Capture, address: int) -> int:
    """Translate a kernel address to a physical address. Any other address is already physical and returned unchanged.

    :raise TargetError: if the address is not mapped.
    """
    linked = linked_physical(session.image, address)
    if linked is not None:
        return linked
    if address >> 47:
        return Addresses(session.target_at(capture), capture.registers, session.image).physical(address)
    return address


def kernel_log_of(session: Session, capture: Capture) -> KernelLog:
    """Read the kernel's log at a capture or, if the capture has no memory of it, return what the recording has.

    :raise NotConnected: if the machine is gone.
    """
    target = session.target_at(capture)
    if not isinstance(target, Recording) or POINTER in capture.symbols:
        return read_kernel_log(target, capture.registers, session.image)
    watched = session.document().outcome.watched
    if watched and watched.log is not None and session.history and capture is session.history[-1]:
        return stored_log(watched.log)
    return recorded_log(capture)


def recorded_log(capture: Capture) -> KernelLog:
    """Return the log that a capture has."""
    if capture.log is not None:
        return KernelLog(capture.log, cut=capture.missing.get("log", ""))
    return KernelLog(missing=capture.missing.get("log", f"not captured at stage {capture.stage}"))


class _WithRbx:
    """A Target that returns `rbx` as the value of RBX; everything else comes from another target."""

    def __init__(self, target: Target, rbx: int) -> None:
        self._rbx = rbx
        self.read_phys = target.read_phys
        self.symbol = target.symbol
        self._register = target.register

    def register(self, name: str) -> int:
        return self._rbx if name == "rbx" else self._register(name)


def start_info_at(target: Target, image: ImageFacts | None, paddr: int) -> Capture:
    """Capture the start_info at a physical address and everything that it points to.

    :raise UserError: if the address does not fit in EBX.
    """
    from pvhdbg.boot.stop.read import read_capture

    if paddr >> 32:
        raise UserError(f"{paddr:#x} is above 4 GiB, but EBX holds 32 bits", "use a start_info below 4 GiB")
    return read_capture(_WithRbx(target, paddr), "entry", image, paddr)
