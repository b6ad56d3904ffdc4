"""Sourced by gdb: run each of $COMMANDS $TIMES times in a row, and print the seconds as JSON, by command."""

import json
import os
import time

import gdb


def timed(line: str) -> float:
    """Return how many seconds a command takes."""
    start = time.perf_counter()
    gdb.execute(line, to_string=True)
    return time.perf_counter() - start


times = int(os.environ["TIMES"])
print(json.dumps({line: [timed(line) for _ in range(times)] for line in json.loads(os.environ["COMMANDS"])}))
