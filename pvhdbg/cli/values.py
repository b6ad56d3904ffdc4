"""Parse the values of options. An invalid value is an argparse.ArgumentTypeError."""

from __future__ import annotations

import argparse
import re

from pvhdbg.lazy_pattern import pattern

SIZE = pattern(r"[1-9][0-9]{0,11}[KMGTkmgt]?")

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


class Default(str):
    """The default value of an option. A user may type the same text, which is then not the default."""

    __slots__ = ()


def size(text: str) -> str:
    if re.fullmatch("0+[KMGTkmgt]?", text):
        raise argparse.ArgumentTypeError(f"must be greater than 0: {text!r}")
    if not SIZE.fullmatch(text):
        raise argparse.ArgumentTypeError(f"invalid size: {text!r} (use a number followed by K, M, G or T)")
    return text


def machines(text: str) -> tuple[str, ...]:
    """Return the machines of a list such as `microvm,pc`. After a comma, `name=value` is a property of the machine."""
    found: list[str] = []
    for word in re.split(r"(?<!,),(?!,)", text):
        if found and "=" in word:
            found[-1] += f",{word}"
        else:
            found.append(name(word))
    return tuple(dict.fromkeys(found))


def jobs(text: str) -> int:
    if not re.fullmatch("[1-9][0-9]{0,3}", text):
        raise argparse.ArgumentTypeError(f"must be a number from 1 to 9999: {text!r}")
    return int(text)


def shard(text: str) -> tuple[int, int]:
    """Return I and N of `I/N`."""
    match = re.fullmatch("([1-9][0-9]{0,5})/([1-9][0-9]{0,5})", text)
    if match is None or int(match[1]) > int(match[2]):
        raise argparse.ArgumentTypeError(f"must be I/N, with I from 1 to N: {text!r}")
    return int(match[1]), int(match[2])


def numbers(text: str) -> tuple[int, ...]:
    """Return the numbers in a list such as 1-3,6; none of them for "none"."""
    found: list[int] = []
    for part in text.split(",") if text != "none" else ():
        match = re.fullmatch("([1-9][0-9]{0,2})(?:-([1-9][0-9]{0,2}))?", part)
        if match is None or int(match[2] or match[1]) < int(match[1]):
            raise argparse.ArgumentTypeError(f"must be numbers such as 1-3,6, or none: {text!r}")
        found += range(int(match[1]), int(match[2] or match[1]) + 1)
    return tuple(dict.fromkeys(found))
