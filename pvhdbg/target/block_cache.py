"""Memory of a machine that stands still, fetched in small blocks and kept until it may have changed. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Fetch = Callable[[Sequence[tuple[int, int]]], Sequence[bytes]]

SIZE = 0x100
# Decoding reads the same few hundred bytes again and again. Who reads more at a time does not come back for them.
_LARGEST = 0x2000
_MOST_KEPT = 0x1000


class BlockCache:
    """Whole aligned blocks of `SIZE` bytes. `fetch` reads ranges of (address, size), all in one go."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self._kept: dict[int, bytes] = {}

    def forget(self) -> None:
        self._kept.clear()

    def read(self, start: int, size: int) -> bytes:
        if size > _LARGEST:
            return self._fetch([(start, size)])[0]
        first = start - start % SIZE
        wanted = range(first, start + size, SIZE)
        self._get([at for at in wanted if at not in self._kept])
        data = b"".join(self._kept[at] for at in wanted)
        return data[start - first :][:size]

    def _get(self, missing: Sequence[int]) -> None:
        if len(self._kept) > _MOST_KEPT:
            self._kept.clear()
        runs = _runs(missing)
        for (start, size), data in zip(runs, self._fetch(runs) if runs else (), strict=True):
            self._kept.update({start + at: data[at : at + SIZE] for at in range(0, size, SIZE)})


def _runs(blocks: Sequence[int]) -> list[tuple[int, int]]:
    """Blocks side by side as one range."""
    runs: list[tuple[int, int]] = []
    for at in blocks:
        if runs and sum(runs[-1]) == at:
            runs[-1] = (runs[-1][0], runs[-1][1] + SIZE)
        else:
            runs.append((at, SIZE))
    return runs
