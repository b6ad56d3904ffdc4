"""Build the teaching guest: `python -m pvhdbg.guest.build [OUTDIR]`. The build is reproducible with the same tools.

`makefile` returns a Makefile with the same flags, for a copy of the source.
"""

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
UNITS = (
    "entry.S",
    "exceptions.S",
    "pvh.c",
    "main.c",
    "e820.c",
    "exceptions.c",
    "printk.c",
    "serial.c",
    "string.c",
    "xen.c",
)

CC = (
    "gcc",
    "-std=c11",
    "-m64",
    # A kernel: no C library, fixed addresses, linked into the top 2 GiB of the address space.
    *("-ffreestanding", "-fno-pic", "-fno-pie", "-mcmodel=kernel"),
    # Interrupts use the stack below RSP, and the FPU and SSE are not set up.
    *("-mno-red-zone", "-mgeneral-regs-only"),
    # Turn off the defaults of distributions that need a C library.
    *("-fno-stack-protector", "-fcf-protection=none", "-fno-asynchronous-unwind-tables", "-U_FORTIFY_SOURCE"),
    # A kernel casts between structures and bytes, and a long map is copied past the end of an array (pvh.c).
    *("-fno-strict-aliasing", "-fno-aggressive-loop-optimizations"),
    # Keep the code readable when it is single-stepped.
    *("-Og", "-gdwarf-5", "-gz=none", "-fno-omit-frame-pointer"),
    *("-Wall", "-Wextra"),
    # The result must not depend on the build machine.
    *("-frandom-seed=pvhdbg", "-Wa,-mx86-used-note=no"),
)
STRICT = ("-Werror", f"-fdebug-prefix-map={HERE}={COMPILED_IN}")
"""Flags that a copy of the source is compiled without: its warnings are not errors, and gdb finds its source there."""
LD = ("ld", "-m", "elf_x86_64", "-nostdlib", "-static", "-T", "link.ld", "--build-id=sha1")
LD_LAYOUT = ("-z", "max-page-size=4096", "-z", "noexecstack", "--fatal-warnings")


_MAKEFILE = """\
# Build {elf} from the source in this folder, with the flags of pvhdbg's teaching guest.
#
#   make          build {elf}, and the unchanged guest in original/, with which pvhdbg compares it
#   make clean    remove what was built

CC := {cc}
LD := {ld}
OBJECTS := {objects}

.PHONY: all clean
.SUFFIXES:
all: {elf} original/{elf}

{elf}: $(OBJECTS) link.ld
	@echo '  LD  $(IN)$@'
	@$(LD) -o $@ $(OBJECTS)

# If a header changes, everything is compiled again.
%.o: % $(wildcard *.h)
	@echo '  CC  $(IN)$<'
	@$(CC) -c $< -o $@

original/{elf}: $(wildcard original/*.[chS] original/link.ld)
	@$(MAKE) --no-print-directory -C original -f ../Makefile IN=original/ {elf}

clean:
	rm -f {elf} original/{elf} *.o original/*.o
"""


def build(outdir: Path) -> Path:
    """Compile and link into `outdir`; return the path of the ELF file.

    :raise FileNotFoundError: if gcc or ld is missing.
    :raise subprocess.CalledProcessError: if gcc or ld fails. The messages are on standard error.
    """
    elf = outdir.absolute() / ELF.name
    with tempfile.TemporaryDirectory() as objects:
        paths = [Path(objects, unit + ".o") for unit in UNITS]
        for unit, path in zip(UNITS, paths, strict=True):
            _run([*CC, *STRICT, "-c", unit, "-o", path])
        _run([*LD, *LD_LAYOUT, "-o", elf, *paths])
    return elf


def makefile(elf: str) -> str:
    """Return a Makefile that builds `elf` from a copy of the source in the folder in which make runs."""
    objects = " ".join(f"{unit}.o" for unit in UNITS)
    return _MAKEFILE.format(elf=elf, cc=" ".join(CC), ld=" ".join((*LD, *LD_LAYOUT)), objects=objects)


def _run(call: Sequence[str | Path]) -> None:
    # gcc trusts $PWD more than the real working directory.
    subprocess.run(call, cwd=HERE, env={**os.environ, "PWD": str(HERE)}, check=True)


if __name__ == "__main__":
    try:
        build(Path(sys.argv[1]) if len(sys.argv) > 1 else SOURCE)
    except FileNotFoundError as error:
        sys.exit(f"{error.filename} not found: install gcc and binutils")
    except subprocess.CalledProcessError as error:
        sys.exit(error.returncode)
