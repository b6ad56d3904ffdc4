"""The size of the panes."""

from __future__ import annotations

from typing import NamedTuple


class Size(NamedTuple):
    """The size of the panes in cells, without the prompt and the legend."""

    width: int
    height: int
