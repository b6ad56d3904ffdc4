"""pvhdbg installed in a folder with an unusual name."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pvhdbg

SHOW_SOURCE = """
from pvhdbg import guest
from pvhdbg.image.load import open_kernel
from pvhdbg.live.debuggee.debuggee import Debuggee
from pvhdbg.live.qemu.options import QemuOptions
from pvhdbg.live.debuggee.own_machine import OwnMachine

options = QemuOptions(str(guest.ELF))
with OwnMachine() as machine:
    kernel = open_kernel(str(guest.ELF), machine.folder)
    machine.boot(options, kernel.symbols)
    machine.wait_ready()
    debuggee = Debuggee(machine, kernel, options, 60)
    debuggee.load_symbols()
    debuggee.load_script()
    code = debuggee.code_at_rip(debuggee.to_first_stop().capture.cpu_mode)
    print(next(line.path for line in code.lines if line.current))
"""


def test_the_teaching_guests_source_is_found_in_a_folder_with_quotes_and_blanks(tmp_path: Path) -> None:
    folder = tmp_path / 'my "own" \\ things'
    package = Path(pvhdbg.__file__).parent
    for part in (package, package.parent / "gdb_scripts"):
        shutil.copytree(part, folder / part.name, ignore=shutil.ignore_patterns("__pycache__"))
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    done = subprocess.run(
        [sys.executable, "-c", SHOW_SOURCE], cwd=folder, env=environment, check=False, capture_output=True, text=True
    )

    assert (f"{folder}/pvhdbg/guest/pvh.c\n", "") == (done.stdout, done.stderr)
