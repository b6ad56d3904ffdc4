"""Record the boots of the chapters again: `python -m tests.teaching.record`, with the QEMU of tests/recordings."""

import os
import shutil
import tempfile
from pathlib import Path

from pvhdbg import guest
from pvhdbg.cli import main
from pvhdbg.cli.command.teaching import boots
from pvhdbg.teaching.tour import chapter

if __name__ == "__main__":
    words = boots.words_of(chapter.read_all(boots.CHAPTERS))
    with tempfile.TemporaryDirectory() as folder:
        for path in (guest.ELF, boots.MODULE):
            shutil.copy(path, folder)
        os.chdir(folder)
        for name, more in words.items():
            output = str(boots.CHAPTERS / f"{name}.json")
            main(["dump", Path(guest.ELF).name, "-i", boots.MODULE.name, *more, "-o", output])
