"""The options of the commands for people who learn or teach how a machine boots."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pvhdbg.boot.stop import stages
from pvhdbg.cli.boot_options import launch_options, timeout, tools
from pvhdbg.cli.values import numbers

if TYPE_CHECKING:
    import argparse


def tour(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("chapter", nargs="?", metavar="CHAPTER", help="a chapter, by its number or its title")
    parser.add_argument("--list", action="store_true", help="list the chapters")
    parser.add_argument("--text", action="store_true", help="print the tour, or CHAPTER, as text")
    chapters(parser)


def handout(parser: argparse.ArgumentParser) -> None:
    text = "write the document to FILE.html or FILE.md"
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help=text)
    text = "a chapter, by its number or its title [all chapters]"
    parser.add_argument("chapter", nargs="*", metavar="CHAPTER", help=text)
    text = "include these exercises, such as 1-3,6, or none [all exercises]"
    parser.add_argument("--exercises", type=numbers, metavar="NUMBERS", help=text)
    parser.add_argument("--labs", type=Path, metavar="DIR", help="read the exercises from DIR; see `pvhdbg lab`")
    chapters(parser)


def chapters(parser: argparse.ArgumentParser) -> None:
    """Add the options about the chapters, and about the boots from which their values come."""
    parser.add_argument("--chapters", type=Path, metavar="DIR", help="read the chapters from DIR: Markdown files")
    text = "use the recordings that come with the chapters, without QEMU"
    parser.add_argument("--recorded", action="store_true", help=text)
    timeout(parser)
    tools(parser)


LAB_ACTIONS = {
    "list": "list the labs (the default)",
    "start": "show the task of lab N, by default the first one that is not solved",
    "open": "open the machine or the recording of the lab on the screen",
    "hint": "show the next of three hints",
    "check": "check answers, options, a kernel or recordings on the real machine",
    "solution": "show the solution",
    "progress": "show what you have solved",
    "grade": "check what students handed in for lab N: one recording or kernel for each student",
}


def lab(parser: argparse.ArgumentParser) -> None:
    actions = "; ".join(f"{name}: {about}" for name, about in LAB_ACTIONS.items())
    parser.add_argument("action", nargs="?", choices=tuple(LAB_ACTIONS), default="list", metavar="ACTION", help=actions)
    text = "the number of a lab, the answers, or files: a kernel or recordings"
    parser.add_argument("what", nargs="*", metavar="WHAT", help=text)
    parser.add_argument("--labs", type=Path, metavar="DIR", help="read the labs from DIR: Markdown files")
    launch_options(parser)
    parser.set_defaults(stage=None, output=None, format=None, command=[], watch=None, snapshots="auto", theme="auto")


def trace(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", required=True, help="write the recording with the trace to FILE"
    )
    parser.add_argument(
        "--stage",
        choices=stages.NAMES[1:],
        metavar="NAME",
        help="trace to this stage [bootparams; for the teaching guest, e820]",
    )
    parser.add_argument(
        "--recorded", action="store_true", help="write the trace of the teaching guest that comes with pvhdbg; no QEMU"
    )
    parser.set_defaults(format=None, command=[])
