"""Structures and enums from a kernel's debug information, read by a single gdb."""

import json
import os
import subprocess
from pathlib import Path
from typing import NamedTuple

from tests import kernels

IN_GDB = Path(__file__).with_name("in_gdb.py")


class Member(NamedTuple):
    """A member of a C structure: offset and size in bytes, and its type as the tables write it."""

    name: str
    offset: int
    size: int
    ctype: str


class Layout(NamedTuple):
    """The size of a C structure in bytes, and its members."""

    size: int
    members: list[Member]


class Dwarf(NamedTuple):
    """Structures by name, and enums by name: an enum maps names to values."""

    structs: dict[str, Layout]
    enums: dict[str, dict[str, int]]


def read(vmlinux: Path, structs: list[str], enums: list[str]) -> Dwarf:
    """Ask gdb for structures and enums. The result omits names that the kernel does not have."""
    environment = os.environ | {"REQUEST": json.dumps({"structs": structs, "enums": enums})}
    index = [word for command in kernels.GDB_INDEX for word in ("-iex", command)]
    command = ["gdb", "-nx", *index, "-batch", "-x", str(IN_GDB), str(vmlinux)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120, env=environment)
    answer = json.loads(done.stdout)
    layouts = {
        name: Layout(size, [Member(*member) for member in members])
        for name, (size, members) in answer["structs"].items()
    }
    return Dwarf(layouts, answer["enums"])
