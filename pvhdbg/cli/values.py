"""Parse the values of options. An invalid value is an argparse.ArgumentTypeError."""

from __future__ import annotations

import argparse
import re

SIZE = re.compile(r"[1-9][0-9]{0,11}[KMGTkmgt]?")

LONGEST_NAME = 4096
"""The longest path or value that pvhdbg passes to QEMU, in characters. QEMU repeats it in its error messages."""


def seconds(text: str) -> float:
    seconds = _number(text)
    if not 0 < seconds < 1e6:
        raise argparse.ArgumentTypeError(f"must be greater than 0 and less than 1000000: {text!r}")
    return seconds


def seconds_or_0(text: str) -> float:
    seconds = _number(text)
    if not 0 <= seconds < 1e6:
        raise argparse.ArgumentTypeError(f"must be at least 0 and less than 1000000: {text!r}")
    return seconds


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"invalid number: {text!r}") from None


def name(text: str) -> str:
    if not 0 < len(text) <= LONGEST_NAME:
        raise argparse.ArgumentTypeError("must not be empty" if not text else f"longer than {LONGEST_NAME} characters")
    return text


def size(text: str) -> str:
    if re.fullmatch("0+[KMGTkmgt]?", text):
        raise argparse.ArgumentTypeError(f"must be greater than 0: {text!r}")
    if not SIZE.fullmatch(text):
        raise argparse.ArgumentTypeError(f"invalid size: {text!r} (use a number followed by K, M, G or T)")
    return text
