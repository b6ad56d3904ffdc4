"""Convert text to ASCII, for terminals and locales without UTF-8."""

from __future__ import annotations

from pvhdbg.views.rows.picture_text import SIGNS

_PLAIN = str.maketrans({sign: plain for sign, plain in SIGNS.values() if sign != plain} | {"…": "..."})


def to_ascii(text: str) -> str:
    return text if text.isascii() else text.translate(_PLAIN).encode("ascii", "backslashreplace").decode()
