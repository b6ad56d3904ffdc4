"""The way to gdb's terminal."""

from __future__ import annotations

import gdb


def say(text: str) -> None:
    """Print lines; what gdb's character set lacks becomes a question mark."""
    try:
        gdb.write(f"{text}\n")
    except UnicodeEncodeError:
        gdb.write(f"{text.encode('ascii', 'replace').decode()}\n")
