"""The layouts of Linux's structures, as a kernel's debug information has them: read from layouts.txt, or written to it.

    python -m tests.abi.layouts VMLINUX

writes the file. test_dwarf.py compares it with every kernel at hand, and test_layouts.py compares the tables with it on
machines without a kernel.
"""

from __future__ import annotations

import sys
from pathlib import Path

from pvhdbg.abi.roles import STRUCTS
from tests.abi import dwarf
from tests.abi.dwarf import Layout, Member

FILE = Path(__file__).with_suffix(".txt")


def to_text(layouts: dict[str, Layout]) -> str:
    lines = []
    for name, layout in layouts.items():
        lines.append(f"{name} {layout.size}")
        lines += (f"  {member.offset:#05x} {member.size:4} {member.ctype} {member.name}" for member in layout.members)
    return "".join(f"{line}\n" for line in lines)


def read() -> dict[str, Layout]:
    layouts: dict[str, Layout] = {}
    for line in FILE.read_text("ascii").splitlines():
        if line.startswith(" "):
            offset, size, *ctype, name = line.split()
            layouts[next(reversed(layouts))].members.append(Member(name, int(offset, 16), int(size), " ".join(ctype)))
        else:
            name, size = line.split()
            layouts[name] = Layout(int(size), [])
    return layouts


if __name__ == "__main__":
    FILE.write_text(to_text(dwarf.read(Path(sys.argv[1]), list(STRUCTS), []).structs), "ascii")
