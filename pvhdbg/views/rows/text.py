"""Formatting: sizes, addresses, quoted guest text, aligned columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi.text import printable, printable_start

if TYPE_CHECKING:
    from collections.abc import Sequence

SHORT, LONG = 40, 72
"""The longest guest string that is shown in a table, and on its own line, in columns."""

WIDE = 44
"""A cell wider than this does not widen its column. A range of two 64-bit addresses is narrower."""

_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")


def size(count: int) -> str:
    """Return a number of bytes in binary units: 0, 583 bytes, 640 KiB, 1.5 GiB. Fractions are rounded down."""
    if count == 0:
        return "0"
    if count == 1:
        return "1 byte"
    power = min((count.bit_length() - 1) // 10, len(_UNITS) - 1)
    whole, tenths = divmod(count * 10 >> 10 * power, 10)
    exact = count == whole << 10 * power
    return f"{whole} {_UNITS[power]}" if exact else f"{whole}.{tenths} {_UNITS[power]}"


def address(value: int | None) -> str:
    return "?" if value is None else f"{value:#x}"


def span(start: int, end: int) -> str:
    """Return an address range as text; `end` is the address after the last byte."""
    return f"{start:#x}-{end:#x}"


def scale_label(value: int) -> str:
    """Return the label of an address on a scale: `640K`, `1M` or `4G` for a multiple of such a unit, otherwise hex.

    Less than a page above such an address, it is `1G+0x90`.
    """
    if value == 0:
        return "0"
    for shift, unit in ((40, "T"), (30, "G"), (20, "M"), (10, "K")):
        whole, rest = divmod(value, 1 << shift)
        if whole and not rest:
            return f"{whole}{unit}" if whole < 10_000 else f"{value:#x}"
        if whole and unit != "K" and rest < 4096 and whole < 10_000:
            return f"{whole}{unit}+{rest:#x}"
    return f"{value:#x}"


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """Return a number with its noun: `1 entry`, `2 entries`, `2 modules`."""
    plural = plural or (f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s")
    return f"{count} {noun if count == 1 else plural}"


def quoted(raw: bytes | str, limit: int = SHORT) -> str:
    """Return text in quotes with control characters escaped. Use it for text from guests and files.

    Text that needs more than `limit` columns is cut and followed by its length in bytes. It is never cut inside an
    escape sequence.
    """
    shown = printable_start(raw, limit)
    return f'"{shown}"' if shown == printable(raw[: limit + 1]) else f'"{shown}"… ({len(raw)} bytes)'


def hex_start(raw: bytes, limit: int = 16) -> str:
    """Return the first `limit` bytes in hexadecimal, followed by `…` if there are more."""
    return raw[:limit].hex(" ") + ("…" if len(raw) > limit else "")


def folded(raw: bytes, width: int = 88) -> list[str]:
    """Return text with control characters escaped, broken into lines of `width` columns."""
    line = printable(raw)
    return [line[at : at + width] for at in range(0, len(line), width)]


def columns(
    rows: Sequence[Sequence[str]], *, indent: int = 2, right: Sequence[int] = (), wide: int = WIDE
) -> list[str]:
    """Return lines of aligned cells, two spaces apart, without trailing spaces.

    `right` has the indexes of right-aligned columns. A cell wider than `wide` does not widen its column; it only shifts
    the rest of its line.
    """
    count = max((len(row) for row in rows), default=0)
    widths = [_width([len(row[at]) for row in rows if at < len(row)], wide) for at in range(count)]
    lines = []
    for row in rows:
        cells = [
            cell.rjust(width) if at in right else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=False))
        ]
        lines.append((" " * indent + "  ".join(cells)).rstrip())
    return lines


def _width(lengths: Sequence[int], wide: int) -> int:
    return max((length for length in lengths if length <= wide), default=0)
