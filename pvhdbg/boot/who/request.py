"""What the user asks about: the path of a field, an address with a length, or ALL or UNREAD."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi import c_integer
from pvhdbg.abi.text import printable
from pvhdbg.boot.stop.address import linked_physical
from pvhdbg.boot.who.fields import FieldBytes, full_path, is_part
from pvhdbg.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pvhdbg.boot.who.answer import Answer
    from pvhdbg.boot.who.fields import Fields
    from pvhdbg.image.facts import ImageFacts

ALL, UNREAD = "--all", "--unread"
"""All fields; and the fields of the boot data from the VMM, and of the kernel's copy of it, that nothing read."""

_INPUT = ("start_info.", "pvh_start_info.", "cmdline", "modules[", "memory_map.")

BOOTPARAMS = "bootparams"
_LATER = {"kernel_boot_params": "kernel", "e820_table": "e820"}
"""Boot data that the kernel fills in after stage bootparams, and the stage at which it is complete."""

_ADDRESS_HINT = "use an address that `who --all` shows, or a path such as kernel_boot_params.hdr or e820_table[0]"
NOT_OURS = "`who` boots the guest again, so it needs a machine that pvhdbg starts"
LONGEST = 4096
"""The most bytes that can be asked about at once."""


def check(text: str) -> None:
    """Refuse what can't be a field or an address, before anything is started.

    :raise UserError: if the text is neither.
    """
    if text[:1].isdecimal():
        address(text)


def parse_length(text: str) -> int:
    """Return a number of bytes.

    :raise UserError: if it is not a number, or out of range.
    """
    length = c_integer.parse(text.strip())
    if length is None or not 0 < length <= LONGEST:
        raise UserError(f'invalid LENGTH "{printable(text[:80])}"', f"use a length from 1 to {LONGEST}")
    return length


def last_stage(text: str) -> str:
    """Return the stage up to which a guest must be observed to answer what the user asks."""
    path = full_path(text)
    return next((stage for whole, stage in _LATER.items() if is_part(path, whole)), BOOTPARAMS)


def fields_of(text: str, fields: Fields, image: ImageFacts | None) -> tuple[FieldBytes, ...]:
    """Return the fields that a path stands for, or the bytes at an address.

    :raise UserError: if there is no such field, or no boot data at the address.
    """
    if text in (ALL, UNREAD):
        return tuple(field for field in fields.all if text == ALL or field.path.startswith(_INPUT))
    if not text[:1].isdecimal():
        return fields.find(text)
    place, length = address(text)
    linked = linked_physical(image, place)
    paddr = place if linked is None else linked
    field = fields.at(paddr)
    if field is None:
        raise UserError(f"{place:#x} is not in the boot data", _ADDRESS_HINT)
    return (field,) if length is None else (FieldBytes(f"{place:#x}", paddr, length),)


def left_out(text: str, fields: Fields) -> tuple[str, ...]:
    """Return the texts of `fields.left_out` about the lists that the user asks about."""
    return tuple(
        part for part in fields.left_out if text in (ALL, UNREAD) or is_part(part.partition(":")[0], full_path(text))
    )


def selected(text: str, answers: tuple[Answer, ...]) -> tuple[Answer, ...]:
    """Return the answers that the user asked for: for UNREAD, only those about fields that nothing read."""
    return tuple(answer for answer in answers if text != UNREAD or not answer.readers)


def selected_in_recording(text: str, answers: Mapping[str, Answer]) -> tuple[Answer, ...]:
    """Return the answers in a recording that the user asked for."""
    if text in (ALL, UNREAD):
        return selected(text, tuple(answers.values()))
    path = full_path(text)
    return tuple(answer for known, answer in answers.items() if is_part(known, path))


def address(text: str) -> tuple[int, int | None]:
    """Return an address, and the length if there is one.

    :raise UserError: if the text is neither ADDRESS nor ADDRESS,LENGTH.
    """
    address_text, comma, length_text = text.partition(",")
    place = c_integer.parse(address_text.strip())
    if place is None or place >= 1 << 64:
        raise UserError(
            f"{printable(text[:80])}: not ADDRESS or ADDRESS,LENGTH", "use an address such as 0xf31e0 or 0xf31e0,4"
        )
    return place, parse_length(length_text) if comma else None
