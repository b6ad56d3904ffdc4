"""The bytes that the user asks about: the path of a field of the boot data, or an address with a length."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi import c_integer
from pvhdbg.abi.text import printable
from pvhdbg.boot.stop import stages
from pvhdbg.boot.stop.address import linked_physical
from pvhdbg.boot.who.fields import FieldBytes, Fields, full_path, is_part
from pvhdbg.errors import UserError
from pvhdbg.live.observe.regions import Region

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pvhdbg.boot.session.live import LiveSession
    from pvhdbg.boot.stop.capture import Capture

LONGEST = 4096
"""The most bytes that can be asked about at once."""
_FORMS = f"use a path such as boot_params.hdr.cmd_line_ptr, ADDRESS[,LENGTH], or a stage: {', '.join(stages.NAMES)}"


def region_of(text: str, here: Capture, session: LiveSession) -> Region:
    """Return where the bytes are. An address without a length is that of a field, or of one byte.

    :raise UserError: if there is no such field, or the address or the length is not one.
    """
    if text[:1].isdecimal() or text[:1] == "&":
        return _at_address(text, here, session)
    found = next(filter(None, (_parts(text, fields) for fields in _known(here, session))), ())
    if not found:
        raise UserError(f"{printable(text[:80])}: no such stage or field", _FORMS)
    start = min(field.paddr for field in found)
    return Region(start, min(max(field.end for field in found) - start, LONGEST))


def _parts(path: str, fields: Fields) -> Sequence[FieldBytes]:
    return [field for field in fields.all if is_part(field.path, full_path(path))]


def _known(here: Capture, session: LiveSession) -> Iterator[Fields]:
    """Yield the fields of the present boot data, then those of the captured stages, the last one first."""
    yield from map(Fields, (here, *reversed(session.history)))


def _at_address(text: str, here: Capture, session: LiveSession) -> Region:
    address, _, length_text = text.partition(",")
    value = session.evaluate_now(address.strip())
    linked = linked_physical(session.image, value)
    paddr = value if linked is None else linked
    length = c_integer.parse(length_text.strip()) if length_text else None
    if length_text and (length is None or not 0 < length <= LONGEST):
        raise UserError(f"LENGTH is {printable(length_text[:80])}", f"use a length from 1 to {LONGEST}")
    known = (fields.at(paddr) for fields in _known(here, session))
    field = next(filter(None, known), None) if length is None else None
    return Region(field.paddr, field.size) if field else Region(paddr, length or 1)
