"""Decide whether to print only ASCII."""

from __future__ import annotations

import os
import sys

_COERCED_TO = ("C.UTF-8", "C.utf8", "UTF-8")


def is_ascii_only() -> bool:
    """Return True unless PYTHONIOENCODING or, if it is not set, the locale specifies UTF-8."""
    encoding = os.environ.get("PYTHONIOENCODING", "").partition(":")[0]
    if encoding:
        return not _is_utf8(encoding)
    names = ("LC_ALL", "LANG") if _is_coerced() else ("LC_ALL", "LC_CTYPE", "LANG")
    locale = next(filter(None, map(os.environ.get, names)), "C")
    return not _is_utf8(locale.partition(".")[2].partition("@")[0])


def _is_utf8(codeset: str) -> bool:
    return codeset.casefold().replace("-", "") == "utf8"


def _is_coerced() -> bool:
    """Return True if Python, not the user, set LC_CTYPE (PEP 538). Python then also turns on its UTF-8 mode."""
    return os.environ.get("LC_CTYPE") in _COERCED_TO and bool(sys.flags.utf8_mode) and not os.environ.get("PYTHONUTF8")
