"""Which instructions are string instructions with a repeat prefix, compared with a disassembler: objdump."""

from __future__ import annotations

import re
import subprocess
from itertools import product
from typing import TYPE_CHECKING

import pytest

from pvhdbg.live.debuggee import repeated

if TYPE_CHECKING:
    from pathlib import Path

STARTS = [b"", b"\xf3", b"\xf2", b"\x66\xf3", b"\xf3\x67", b"\x2e", b"\xf3\x48", b"\x48", b"\xf3\x90"]
CODES = [*map(bytes, product(range(0x60, 0xB0)))]


@pytest.mark.parametrize(("machine", "is_long"), [("i386", False), ("i386:x86-64", True)])
def test_repeated_string_instructions_are_those_of_objdump(machine: str, is_long: bool, tmp_path: Path) -> None:
    for start in STARTS:
        if start.endswith(b"\x48") and not is_long:
            continue  # there, 0x48 is an instruction of its own
        code = b"".join((start + opcode).ljust(16, b"\x90") for opcode in CODES)
        (tmp_path / "code").write_bytes(code)
        command = ["objdump", "-D", "-z", "-b", "binary", "-m", machine, "--insn-width=16", str(tmp_path / "code")]
        listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        lines = re.findall(r"^ +([0-9a-f]+):\t((?:[0-9a-f]{2} )+) *\t?(.*)$", listed, re.MULTILINE)
        theirs = {int(at, 16): (len(raw.split()), text) for at, raw, text in lines}
        for index in range(len(CODES)):
            size, text = theirs.get(index * 16, (0, ""))
            is_repeated = re.search(r"\brep[nz]*e? .*\b(ins|outs|movs|cmps|stos|lods|scas)[bwlqd]? ", text) is not None

            assert (size if is_repeated else None) == repeated.length(code[index * 16 :][:8], is_long=is_long), text
