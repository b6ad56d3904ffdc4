"""The bytes that the user asks about, and whether the machine is at a place.

The user names bytes by the path of a field of the boot data, or by an address and a length.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from pvhdbg.abi.text import printable
from pvhdbg.boot.run.ending import HLT
from pvhdbg.boot.stop import stages
from pvhdbg.boot.stop.address import linked_physical
from pvhdbg.boot.who.fields import FieldBytes, Fields, full_path, is_part
from pvhdbg.boot.who.request import LONGEST, parse_length
from pvhdbg.errors import MemoryUnreadable, TargetError, UserError
from pvhdbg.live.observe.regions import Region
from pvhdbg.target.stub import is_halted

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from pvhdbg.boot.run.journey import Journey
    from pvhdbg.boot.session.live import LiveSession
    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.target.stub import StubTarget

_FORMS = f"use a path such as boot_params.hdr.cmd_line_ptr, ADDRESS[,LENGTH], or a stage: {', '.join(stages.NAMES)}"


def region_of(text: str, here: Capture, session: LiveSession) -> Region:
    """Return where the bytes are. An address without a length stands for the field there or, without one, for one byte.

    :raise UserError: if there is no such field, or the address or the length is not one.
    """
    if text[:1].isdecimal() or text[:1] == "&":
        return _at_address(text, here, session)
    found = next(filter(None, (_parts(text, fields) for fields in _known(here, session))), ())
    if not found:
        raise _nothing_to_find(text, here, session)
    start = min(field.paddr for field in found)
    return Region(start, min(max(field.end for field in found) - start, LONGEST))


def _nothing_to_find(text: str, here: Capture, session: LiveSession) -> UserError:
    """Return the error for a path that no capture has: it may be that of boot data that is built later."""
    shown, key = printable(text[:80]), full_path(text).partition(".")[0].partition("[")[0]
    stage = stages.first_valid(key, session.image) if key in stages.CAPTURE_KEYS else None
    if stage is None or any(getattr(capture, key) is not None for capture in (here, *session.history)):
        return UserError(f"{shown}: no such stage or field", _FORMS)
    return UserError(f"{shown}: {key} was not captured up to here", f"run to stage {stage} first (F6)")


def has_registers(target: StubTarget, registers: Mapping[str, int | None], but: Collection[str] = ()) -> bool:
    """Return whether the machine's registers have these values, except those named in `but`.

    None stands for a register that the machine does not have: qemu-system-i386 has no r8 to r15.
    """
    known = ((name, value) for name, value in registers.items() if value is not None and name not in but)
    return all(target.register(name) == value for name, value in known)


def is_at(target: StubTarget, place: Capture) -> bool:
    """Return whether the machine's registers and boot data are those of a capture."""
    if not has_registers(target, place.registers):
        return False
    try:
        with target.physical_reads():
            return all(target.read_phys(paddr, len(data)) == data for paddr, data in place.memory)
    except MemoryUnreadable:
        return False


def at_hlt(here: Capture, journey: Journey) -> Capture | None:
    """Return the capture of the moment before the `hlt` that halted the guest for good; None if it has not halted.

    The guest does not run from there to `here`: it stays in the `hlt`.
    """
    if here.stage == stages.DIED or not here.rip or not is_halted(journey.target):
        return None
    hlt = here.rip - 1
    with suppress(TargetError):
        if journey.target.read_phys(journey.addresses().physical(hlt), 1) == HLT:
            return here._replace(rip=hlt, registers={**here.registers, "rip": hlt})
    return None


def _parts(path: str, fields: Fields) -> Sequence[FieldBytes]:
    return [field for field in fields.all if is_part(field.path, full_path(path))]


def _known(here: Capture, session: LiveSession) -> Iterator[Fields]:
    """Yield the fields of the current boot data, then those of the captured stages, the last one first."""
    yield from map(Fields, (here, *reversed(session.history)))


def _at_address(text: str, here: Capture, session: LiveSession) -> Region:
    address, _, length_text = text.partition(",")
    value = session.evaluate_now(address.strip())
    linked = linked_physical(session.image, value)
    paddr = value if linked is None else linked
    length = parse_length(length_text) if length_text else None
    known = (fields.at(paddr) for fields in _known(here, session))
    field = next(filter(None, known), None) if length is None else None
    return Region(field.paddr, field.size) if field else Region(paddr, length or 1)
