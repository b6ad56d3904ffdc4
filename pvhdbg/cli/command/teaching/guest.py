"""`pvhdbg guest new DIR`: copy the source of the teaching guest into a new folder, with a Makefile."""

from __future__ import annotations

import shlex
import shutil
from typing import TYPE_CHECKING

from pvhdbg.abi.text import printable
from pvhdbg.cli.result import Result
from pvhdbg.errors import UserError
from pvhdbg.guest import SOURCE
from pvhdbg.guest.build import makefile

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

ELF, ORIGINAL = "guest.elf", "original"
"""The guest that the Makefile builds, and the folder of the unchanged source."""
_SOURCES = (".c", ".h", ".S", ".ld")
_NEXT = """\
{folder} has the source of the teaching guest. Change it, then build and boot it:

  make -C {quoted}
  pvhdbg {quoted}/{elf}

Read entry.S, pvh.c, main.c and e820.c, in this order. {folder}/original has the unchanged source.
"""


def guest(options: argparse.Namespace) -> Result:
    """Copy the source twice: to be changed, and unchanged into the folder `original`.

    :raise UserError: if the folder is not empty, or can't be written.
    """
    folder: Path = options.folder
    _check_empty(folder)
    try:
        (folder / ORIGINAL).mkdir(parents=True)
        for path in sorted(SOURCE.iterdir()):
            if path.suffix in _SOURCES:
                for copy in (folder, folder / ORIGINAL):
                    shutil.copyfile(path, copy / path.name)
        (folder / "Makefile").write_text(makefile(ELF), encoding="utf-8")
    except OSError as error:
        raise UserError(f"{folder}: cannot write: {error.strerror}") from error
    name = printable(str(folder))
    return Result(_NEXT.format(folder=name, quoted=shlex.quote(name), elf=ELF))


def _check_empty(folder: Path) -> None:
    try:
        if not folder.exists() or not any(folder.iterdir()):
            return
    except OSError as error:
        raise UserError(f"{folder}: {error.strerror}", "name a new folder") from error
    raise UserError(f"{folder}: the folder is not empty", "name a new folder")
