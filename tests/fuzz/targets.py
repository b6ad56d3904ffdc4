"""The table of targets. To add one: a file with a `Target` in this folder, and a row here.

The tests run some hundred inputs of each (`test_fuzz.py`), `make fuzz` as many as you like.
"""

from __future__ import annotations

from tests.fuzz.bzimage import TARGET as BZIMAGE
from tests.fuzz.commands import TARGET as COMMANDS
from tests.fuzz.elf import TARGET as ELF
from tests.fuzz.guest import TARGET as GUEST
from tests.fuzz.log import TARGET as LOG
from tests.fuzz.mi import TARGET as MI
from tests.fuzz.notes import TARGET as NOTES
from tests.fuzz.recordings import TARGET as RECORDINGS

TARGETS = {target.name: target for target in (ELF, BZIMAGE, NOTES, MI, RECORDINGS, GUEST, LOG, COMMANDS)}
