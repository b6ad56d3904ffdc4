"""What a card of the tour is about: its row among the rows of a view, and the rows around it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.views.rows import boot_params_rows, cpu_rows, start_info_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.teaching.tour.chapter import Card
    from pvhdbg.views.rows.row import Row

_AROUND = 2
"""How many rows of an excerpt are before and after the card's row."""


def row_index(rows: Sequence[Row], wanted: str) -> int | None:
    """Return the index of the row with this name or path, or of the first row that contains the text."""
    for fits in (_has_name, _has_path, _has_text):
        for index, row in enumerate(rows):
            if fits(row, wanted):
                return index
    return None


def _has_name(row: Row, wanted: str) -> bool:
    return wanted in (row.name, row.path)


def _has_path(row: Row, wanted: str) -> bool:
    return row.path.endswith(f".{wanted}") or row.path.startswith((f"{wanted}.", f"{wanted}["))


def _has_text(row: Row, wanted: str) -> bool:
    return wanted.casefold() in " ".join((row.name, row.value, row.meaning, *row.columns)).casefold()


def excerpt(card: Card, stops: Sequence[Capture]) -> Iterator[tuple[Row, bool]]:
    """Yield the rows around the card's row, each with whether it is that row; none for a view without such rows."""
    make = _ROWS.get(card.view)
    capture = next((stop for stop in stops if stop.stage == card.stage), None)
    if make is None or capture is None or not card.row:
        return
    rows = make(capture)
    here = row_index(rows, card.row)
    if here is not None:
        for index in range(max(here - _AROUND, 0), min(here + _AROUND + 1, len(rows))):
            yield rows[index], index == here


def _start_info(capture: Capture) -> Sequence[Row]:
    return [*start_info_rows.start_info_rows(capture, "pvh_start_info" if capture.pvh_start_info else "start_info")]


def _boot_params(capture: Capture) -> Sequence[Row]:
    key = boot_params_rows.KERNEL_COPY if capture.kernel_boot_params else boot_params_rows.PARAMS
    return [*boot_params_rows.boot_params_rows(capture, key, boot_data=capture, folded=True)]


_ROWS: dict[str, Callable[[Capture], Sequence[Row]]] = {
    "start_info": _start_info,
    "modules": lambda capture: [*start_info_rows.module_rows(capture)],
    "boot_params": _boot_params,
    "cpu": lambda capture: [*cpu_rows.cpu_rows(capture)],
}
"""The rows of the views that have an excerpt."""
