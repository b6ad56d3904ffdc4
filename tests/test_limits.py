"""The limits for input from a guest, a file or a stub are listed in limits.txt, so that each change of one is seen.

After an intended change, or to list new limits, run `python -m tests.test_limits`.
"""

import importlib
import re
from pathlib import Path

from tests.paths import ROOT

LISTED = Path(__file__).with_name("limits.txt")
FOLDERS = ("abi", "boot", "checks", "commands", "image", "views")
ASSIGNED = re.compile(r"^([A-Z_0-9, ]+) = ", re.MULTILINE)
LIMIT = re.compile(r"MAX|MOST|LONGEST|LARGEST|SMALLEST|DEEPEST|SEARCHED|SHOWN")


def limits() -> list[str]:
    """Return `MODULE NAME VALUE` for every number of a module that is named like a limit."""
    lines = []
    for path in sorted(path for folder in FOLDERS for path in (ROOT / "pvhdbg" / folder).rglob("*.py")):
        names = re.findall(r"\w+", " ".join(ASSIGNED.findall(path.read_text("utf-8"))))
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        values = vars(importlib.import_module(name))
        lines += [f"{name} {it} {values[it]}" for it in names if LIMIT.search(it) and isinstance(values[it], int)]
    return lines


def test_a_listed_limit_has_its_value() -> None:
    assert [] == sorted({*LISTED.read_text("utf-8").splitlines()} - {*limits()})


if __name__ == "__main__":
    LISTED.write_text("".join(f"{line}\n" for line in limits()), "utf-8")
