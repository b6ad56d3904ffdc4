"""What a kernel's own debug information says of its structures and enums, asked of gdb: one start for all of them."""

import json
import os
import subprocess
from pathlib import Path
from typing import NamedTuple

IN_GDB = Path(__file__).with_name("in_gdb.py")


class Member(NamedTuple):
    """A member of a C structure: offset and size in bytes, and its type as our tables write it."""

    name: str
    offset: int
    size: int
    ctype: str


class Layout(NamedTuple):
    """A C structure."""

    size: int
    members: list[Member]


class Dwarf(NamedTuple):
    """Structures and enums by name; an enum is its values by name."""

    structs: dict[str, Layout]
    enums: dict[str, dict[str, int]]


def read(vmlinux: Path, structs: list[str], enums: list[str]) -> Dwarf:
    """Ask gdb for these; one that the kernel has not is left out."""
    environment = os.environ | {"ASKED": json.dumps({"structs": structs, "enums": enums})}
    call = ["gdb", "-nx", "-batch", "-x", str(IN_GDB), str(vmlinux)]
    done = subprocess.run(call, check=True, capture_output=True, text=True, timeout=120, env=environment)
    answer = json.loads(done.stdout)
    layouts = {
        name: Layout(size, [Member(*each) for each in members]) for name, (size, members) in answer["structs"].items()
    }
    return Dwarf(layouts, answer["enums"])
