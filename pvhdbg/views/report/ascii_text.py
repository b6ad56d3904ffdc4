"""Text of the views in ASCII, for terminals and locales that have nothing else."""

from __future__ import annotations

from pvhdbg.views.rows.picture_text import SIGNS

_PLAIN = str.maketrans({shown: plain for shown, plain in SIGNS.values() if shown != plain} | {"…": "..."})


def words(text: str) -> str:
    return text if text.isascii() else text.translate(_PLAIN).encode("ascii", "backslashreplace").decode()
