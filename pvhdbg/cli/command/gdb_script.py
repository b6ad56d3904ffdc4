"""`pvhdbg gdb-script`: print the path of the script that gdb's `source` command loads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.cli.result import Result
from pvhdbg.live.gdb import script

if TYPE_CHECKING:
    import argparse


def gdb_script(_options: argparse.Namespace) -> Result:
    return Result(f"{script.path()}\n")
