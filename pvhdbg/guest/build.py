"""Build the teaching guest: `python -m pvhdbg.guest.build [OUTDIR]`. The same tools make the same bytes, anywhere."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from pvhdbg.guest import COMPILED_IN, ELF, SOURCE

if TYPE_CHECKING:
    from collections.abc import Sequence

HERE = SOURCE.resolve()
UNITS = ("entry.S", "exceptions.S", "pvh.c", "main.c", "e820.c", "exceptions.c", "printk.c", "serial.c", "string.c")

CC = (
    "gcc",
    "-std=c11",
    "-m64",
    # A kernel: no C library, no code at addresses the loader may choose, its own corner of the address space.
    *("-ffreestanding", "-fno-pic", "-fno-pie", "-mcmodel=kernel"),
    # Interrupts use the stack below RSP, and nobody has set up the FPU or SSE.
    *("-mno-red-zone", "-mgeneral-regs-only"),
    # What distributions switch on, and what needs a C library or an agreement with one.
    *("-fno-stack-protector", "-fcf-protection=none", "-fno-asynchronous-unwind-tables", "-U_FORTIFY_SOURCE"),
    # Casts between structures and bytes are a kernel's trade; a map may run past an array's end (pvh.c).
    *("-fno-strict-aliasing", "-fno-aggressive-loop-optimizations"),
    # Made to be stepped through.
    *("-Og", "-gdwarf-5", "-gz=none", "-fno-omit-frame-pointer"),
    *("-Wall", "-Wextra", "-Werror"),
    # Nothing of the machine it was built on.
    *(f"-fdebug-prefix-map={HERE}={COMPILED_IN}", "-frandom-seed=pvhdbg", "-Wa,-mx86-used-note=no"),
)
LD = ("ld", "-m", "elf_x86_64", "-nostdlib", "-static", "-T", "link.ld", "--build-id=sha1")
LD_LAYOUT = ("-z", "max-page-size=4096", "-z", "noexecstack", "--fatal-warnings")


def build(outdir: Path) -> Path:
    """Compile and link into `outdir`; the ELF's path.

    :raise FileNotFoundError: without gcc or ld.
    :raise subprocess.CalledProcessError: when one of them fails; what it said is on standard error.
    """
    elf = outdir.absolute() / ELF.name
    with tempfile.TemporaryDirectory() as objects:
        made = [Path(objects, unit + ".o") for unit in UNITS]
        for unit, made_of_it in zip(UNITS, made, strict=True):
            _run([*CC, "-c", unit, "-o", made_of_it])
        _run([*LD, *LD_LAYOUT, "-o", elf, *made])
    return elf


def _run(call: Sequence[str | Path]) -> None:
    # gcc believes $PWD before it asks where it is.
    subprocess.run(call, cwd=HERE, env={**os.environ, "PWD": str(HERE)}, check=True)


if __name__ == "__main__":
    try:
        build(Path(sys.argv[1]) if len(sys.argv) > 1 else SOURCE)
    except FileNotFoundError as error:
        sys.exit(f"{error.filename} not found: install gcc and binutils")
    except subprocess.CalledProcessError as error:
        sys.exit(error.returncode)
