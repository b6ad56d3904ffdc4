"""What every command answers about one recording, at every stage."""

from __future__ import annotations

from collections.abc import Iterator

from pvhdbg import commands
from pvhdbg.boot.record.replay import load
from pvhdbg.boot.session.recorded import RecordedSession
from pvhdbg.errors import PvhdbgError
from tests.paths import RECORDINGS_DIR

RECORDING = RECORDINGS_DIR / "linux-6.1-microvm-initrd.json"
FILE = RECORDING.with_suffix(".answers")
EXPLAINED = ("start_info", "memmap_paddr", "type", "PVH108", "CR0.PE", "prepare", "RAM", "PHYS32_ENTRY", "cs.limit")


def answers() -> str:
    """Return lines that a user could type, and their answers."""
    session = RecordedSession(load(RECORDING))
    return "\n".join(f"(pvh) {line}\n{_answer(session, line).rstrip()}\n" for line in _lines(session))


def _lines(session: RecordedSession) -> Iterator[str]:
    for name, command in commands.COMMANDS.items():
        if "@STAGE" in command.usage:
            yield from (f"{name} @{stop.stage}" for stop in session.history)
        elif name != "explain":
            yield name
    yield from (f"explain {topic}" for topic in EXPLAINED)


def _answer(session: RecordedSession, line: str) -> str:
    try:
        return commands.run(session, line)
    except PvhdbgError as error:
        return f"error: {error}\n{error.hint or ''}"
