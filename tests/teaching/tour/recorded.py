"""The recordings of the boots that the chapters are about."""

from functools import cache

from pvhdbg.boot.record.document import Document
from pvhdbg.boot.record.replay import load
from pvhdbg.cli.command.teaching import boots


@cache
def recorded_boots() -> dict[str, Document]:
    return {path.stem: load(path) for path in boots.CHAPTERS.glob("*.json")}
