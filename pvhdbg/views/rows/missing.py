"""The reason why a capture has no value at a path."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi.text import printable

if TYPE_CHECKING:
    from pvhdbg.boot.stop.capture import Capture


def missing_line(capture: Capture, key: str, name: str) -> str:
    return f"  {name}: missing, {missing_reason(capture, key)}"


def missing_reason(capture: Capture, path: str) -> str:
    """Return why a capture has no value at a path, without control characters."""
    return printable(capture.missing.get(path, "not captured"))
