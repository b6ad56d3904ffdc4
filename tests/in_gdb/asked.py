"""Sourced by gdb: run each line of $ASKED as a user would type it, and write what came of it to $ANSWERS, as JSON."""

import json
import os
from pathlib import Path

import gdb


def answer(line: str) -> list[str | None]:
    """What a line prints, and the error it ends in."""
    try:
        return [gdb.execute(line, to_string=True), None]
    except gdb.error as error:
        return [None, str(error)]


answers = [answer(line) for line in json.loads(os.environ["ASKED"])]
Path(os.environ["ANSWERS"]).write_text(json.dumps(answers))
