"""Which differences between two handovers kill a kernel, as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi.text import printable
from pvhdbg.checks.run import check_run
from pvhdbg.views.report import run_text
from pvhdbg.views.rows import text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pvhdbg.boot.handover.bisected import Bisected, End
    from pvhdbg.boot.handover.differences import Difference


def report(found: Bisected) -> str:
    return "\n".join(_lines(found)) + "\n"


def _lines(found: Bisected) -> Iterator[str]:
    yield _end(found.first)
    yield _end(found.second)
    if found.cause is None:
        verb = "fails" if found.first.has_failed else "works"
        yield f"the kernel {verb} with both handovers: there is nothing to search for"
        return
    count = text.counted(len(found.differences), "difference")
    yield f"{count} between the handovers, {text.counted(found.boots, 'boot')}"
    yield ""
    yield _heading(found, len(found.cause))
    yield from (f"  {_difference(item)}" for item in found.cause)


def _heading(found: Bisected, count: int) -> str:
    if not found.is_smallest:
        return f"the search ended early; the kernel fails with these {count} differences:"
    if count == 1:
        return "the kernel fails with this difference alone:"
    return f"the kernel fails only with these {count} differences together:"


def _end(end: End) -> str:
    lost = (
        "" if end.lost_write is None else f"; it wrote to {end.lost_write.paddr:#x}, where there is no memory (PVH937)"
    )
    ended = run_text.outcome(end.outcome, check_run(end.run))
    return f"{printable(end.name)} {'fails' if end.has_failed else 'works'}: {ended}{lost}"


def _difference(item: Difference) -> str:
    return f"{item.path}: {item.before} -> {item.after}"
