"""Sourced by gdb: run each line of $PVH_LINES as if it were typed, and write the results to $PVH_ANSWERS, as JSON."""

import json
import os
from pathlib import Path

import gdb


def run(line: str) -> list[str | None]:
    """Return what a line prints, and the error that it ends with."""
    try:
        return [gdb.execute(line, to_string=True), None]
    except gdb.error as error:
        return [None, str(error)]


answers = [run(line) for line in json.loads(os.environ["PVH_LINES"])]
Path(os.environ["PVH_ANSWERS"]).write_text(json.dumps(answers))
