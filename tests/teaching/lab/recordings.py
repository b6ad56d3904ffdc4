"""Make the recordings of the labs again: `python -m tests.teaching.lab.recordings`, with the QEMU of tests/recordings.

Those of the mysteries are in the package. They do not say what pvhdbg or the kernel did to cause the mystery. The
others are only for the tests: the boots that the labs' solutions make.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from pvhdbg.cli import main
from pvhdbg.cli.command.teaching.lab import EXERCISES
from pvhdbg.teaching.lab import lab_file
from pvhdbg.views.to_json import document_json

RIGHT, WRONG = "to[i].size = from[i].size;", "to[i].size = (u32)from[i].size;"
"""The first size that pvh.c copies is the one in map_from_memmap."""
MYSTERIES = {
    "mystery-death": [
        *("--set", "start_info.version=0", "--set", "start_info.nr_modules=2"),
        *("--set", "start_info.modlist_paddr=0x60000000"),
    ],
    "mystery-count": ["--set", "start_info.memmap_entries=258", "--watch", "1"],
}


KEPT = ("stage", "rip", "registers", "memory", "symbols", "missing")
"""The keys of a stop from which everything else is decoded."""


def broken_guest(folder: Path) -> Path:
    """Build a guest that copies only 32 bits of each size."""
    assert 0 == main(["guest", "new", str(folder)])
    source = folder / "pvh.c"
    source.write_text(source.read_text("utf-8").replace(RIGHT, WRONG, 1), "utf-8")
    subprocess.run(["make", "-s", "-C", str(folder)], check=True)
    return folder / "guest.elf"


BOOTS = {
    "the-wrong-number": ["--set", "start_info.magic=0"],
    "no-map": ["--set", "start_info.memmap_entries=0"],
    "the-old-way": ["--protocol", "e820-module"],
    "an-overlap": list(next(lab.options for lab in lab_file.read_all(EXERCISES) if lab.name == "an-overlap")),
}
"""The boots of solutions, and of the machine of one lab."""


def record(path: Path, *options: str) -> None:
    """Boot, and write a recording with only what a machine holds: `show` decodes the rest again."""
    main(["dump", *options, "-o", str(path)])
    run = json.loads(path.read_text("utf-8"))
    kernel = run["kernel"]["path"]
    run["machine"]["argv"] = ["guest.elf" if word == kernel else word for word in run["machine"]["argv"]]
    run["kernel"]["path"] = "guest.elf"
    run["stops"] = [{key: stop[key] for key in KEPT} for stop in run["stops"]]
    if path.name.startswith("mystery"):
        run["machine"]["rewrites"] = []
    path.write_text(document_json.lines(run) + "\n", "utf-8")


if __name__ == "__main__":
    for name, options in MYSTERIES.items():
        record(EXERCISES / f"{name}.json", *options)
    for name, options in BOOTS.items():
        record(Path(__file__).with_name("boots") / f"{name}.json", *options)
    with TemporaryDirectory() as folder:
        guest = broken_guest(Path(folder) / "guest")
        record(EXERCISES / "mystery-vanished.json", str(guest), "-M", "q35", "-m", "7G")
    sys.exit()
