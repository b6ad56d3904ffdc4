"""Whether what reads our output can show more than ASCII."""

from __future__ import annotations

import os
import sys

_COERCED_TO = ("C.UTF-8", "C.utf8", "UTF-8")


def is_ascii() -> bool:
    """By the locale, or by what Python was told: no UTF-8 means ASCII alone."""
    told = os.environ.get("PYTHONIOENCODING", "").partition(":")[0]
    if told:
        return not _is_utf8(told)
    names = ("LC_ALL", "LANG") if _is_coerced() else ("LC_ALL", "LC_CTYPE", "LANG")
    locale = next(filter(None, map(os.environ.get, names)), "C")
    return not _is_utf8(locale.partition(".")[2].partition("@")[0])


def _is_utf8(codeset: str) -> bool:
    return codeset.casefold().replace("-", "") == "utf8"


def _is_coerced() -> bool:
    """Python sets LC_CTYPE where there is no such locale (PEP 538), and then is in its UTF-8 mode by itself."""
    return os.environ.get("LC_CTYPE") in _COERCED_TO and bool(sys.flags.utf8_mode) and not os.environ.get("PYTHONUTF8")
