"""The options of the commands for people who learn or teach how a machine boots."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pvhdbg.cli.boot_options import timeout, tools

if TYPE_CHECKING:
    import argparse


def tour(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("chapter", nargs="?", metavar="CHAPTER", help="a chapter, by its number or its name")
    parser.add_argument("--list", action="store_true", help="list the chapters")
    parser.add_argument("--text", action="store_true", help="print the tour, or CHAPTER, as text")
    chapters(parser)


def chapters(parser: argparse.ArgumentParser) -> None:
    """Add the options about the chapters, and about the boots from which their values come."""
    parser.add_argument("--chapters", type=Path, metavar="DIR", help="read the chapters from DIR: Markdown files")
    text = "use the recordings that come with the chapters, without QEMU"
    parser.add_argument("--recorded", action="store_true", help=text)
    timeout(parser)
    tools(parser)
