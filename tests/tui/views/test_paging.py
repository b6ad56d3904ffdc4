"""The paging view: walks through the page tables, and what is mapped."""

from __future__ import annotations

from pvhdbg.tui.lines.line import plain
from pvhdbg.tui.views import paging
from pvhdbg.views.rows.row import Row
from tests.tui import screens

WALK = (
    Row("", "rip", "0xffffffff8305a1ff", "is physical 0x305a1ff"),
    Row("", "PML4[511]", "0x2a16067", "table at 0x2a16000, writable, accessed, dirty", depth=1),
)
MAPPED = (
    Row("", "mapped", "from CR3 0x2a10000", "virtual and physical addresses"),
    Row("", "0xffffffff80000000-0xffffffffa0000000", "0x0", "512 MiB in 2 MiB pages, writable, executable", depth=1),
)


def drawn(first: int, last: int, width: int = 78) -> list[str]:
    rows = (*WALK, *MAPPED)
    return [plain(line) for line in paging.draw(screens.at("prepare"), rows, range(first, last), width)]


def test_the_names_of_ranges_take_no_columns_from_the_walks() -> None:
    walk, entry, heading, mapped = drawn(0, 4)

    assert " rip          0xffffffff8305a1ff  is physical 0x305a1ff" == walk
    assert "   PML4[511]  0x2a16067           table at 0x2a16000, writable, accessed, dirty" == entry
    assert heading.startswith(" mapped ")
    assert mapped.startswith("   0xffffffff80000000-0xff")


def test_columns_stay_where_they_are_while_the_view_scrolls() -> None:
    assert drawn(0, 4)[1:3] == drawn(1, 3)
    assert drawn(0, 4)[2:] == drawn(2, 4)
