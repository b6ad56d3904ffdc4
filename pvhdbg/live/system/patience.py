"""How long gdb, or a gdb stub, may keep pvhdbg waiting, over all questions of a command."""

from __future__ import annotations

import time

LONGEST = 30.0
"""Seconds. A stub that answers every question just in time would otherwise cost the sum of all timeouts."""

PROMPT = 0.25
"""An answer that comes within this time, in seconds, costs nothing. Otherwise thousands of steps in a row would use up
the patience, although gdb answers each at once.
"""


class Patience:
    """The seconds that are left. Waiting for gdb or a stub uses them up. They come back while pvhdbg does not wait for
    an answer: while the guest runs, or the user thinks.
    """

    def __init__(self) -> None:
        self._left = LONGEST
        self._since = time.monotonic()

    def left(self) -> float:
        now = time.monotonic()
        self._left = min(self._left + now - self._since, LONGEST)
        self._since = now
        return self._left

    def spend(self) -> None:
        """Use up the time since the last call of `left`, except the first PROMPT seconds."""
        now = time.monotonic()
        self._left = max(self._left - max(now - self._since - PROMPT, 0.0), 0.0)
        self._since = now
