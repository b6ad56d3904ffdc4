"""The stops of a run: for each structure a table, or where it is shown if it has not changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi.boot_params import COMMAND_LINE_SIZE
from pvhdbg.boot.record import compare
from pvhdbg.boot.stop import stages
from pvhdbg.views.page.anchors import Links, link, places, section_id, stop_id
from pvhdbg.views.page.row_table import row_table, table
from pvhdbg.views.page.shell import scrolling
from pvhdbg.views.pictures.markup import Element, element
from pvhdbg.views.report import diff_text, stop_text
from pvhdbg.views.rows import boot_params_rows, cpu_rows, map_rows, start_info_rows, text
from pvhdbg.views.rows.boot_params_rows import symbol_path
from pvhdbg.views.rows.missing import missing_reason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from pvhdbg.boot.record.document import Document
    from pvhdbg.boot.stop.stop import Stop
    from pvhdbg.boot.who.answer import Answer
    from pvhdbg.views.rows.row import Row


def sections(run: Document, stops: Sequence[Stop], answers: Mapping[str, Answer]) -> Iterator[Element]:
    """Yield a section for each stop. A pointer leads to the latest structure at its address."""
    known: dict[int, str] = {}
    for index, stop in enumerate(stops):
        name = stop_id(index, stop.capture)
        known |= places(name, stop.capture, stop.before)
        links = Links(name, dict(known), answers)
        title, *state = (line.strip() for line in stop_text.heading(stop))
        yield element(
            "section",
            element("h2", title, tabindex=-1),
            *(element("p", line, class_="mono") for line in state),
            *_changes(stop),
            *_structures(run, stop, index, links),
            _cpu(stop, links),
            id=name,
            class_="stop",
        )


def _changes(stop: Stop) -> list[Element]:
    if stop.before is None:
        return []
    changes = compare.compare_captures(stop.before, stop.capture)
    lines = [
        element(
            "tr",
            element("th", symbol_path(change.path), scope="row"),
            element("td", diff_text.value(change.before, change)),
            element("td", diff_text.value(change.after, change)),
        )
        for change in changes[: diff_text.MOST]
    ]
    title = f"{text.counted(len(changes), 'difference')} from stage {stop.before.stage}"
    shown = table(title, ("value", "before", "after"), lines, len(changes) - diff_text.MOST)
    return [folded(title, shown)]


def folded(title: str, *content: Element) -> Element:
    """Return content that is shown when its title is activated. A link to something inside opens it."""
    return element("details", element("summary", title), *content)


def _structures(run: Document, stop: Stop, index: int, links: Links) -> Iterator[Element]:
    valid = stages.stage(stop.capture.stage, run.kernel).valid
    for key in stages.CAPTURE_KEYS:
        if getattr(stop.capture, key) is not None:
            body = _structure(stop, index, key, links)
        elif key in valid:
            body = element("p", f"missing: {missing_reason(stop.capture, key)}")
        else:
            continue
        yield element("h3", symbol_path(key), id=section_id(links.stop, key))
        yield body


def _structure(stop: Stop, index: int, key: str, links: Links) -> Element:
    # The truth value of an element says only whether it has children.
    if (unchanged := _unchanged(stop, index, key)) is not None:
        return unchanged
    copied = _same_as_original(stop, key, links)
    return _SHOWN[key](stop, links) if copied is None else copied


def _unchanged(stop: Stop, index: int, key: str) -> Element | None:
    """Return a link to the first stop since which the structure is the same; None if it is new at this stop."""
    value = getattr(stop.capture, key)
    first = index
    while first and getattr(stop.earlier[first - 1], key) == value:
        first -= 1
    if first == index:
        return None
    shown = stop.earlier[first]
    return element("p", "unchanged since ", link(section_id(stop_id(first, shown), key), f"stage {shown.stage}"))


def _same_as_original(stop: Stop, key: str, links: Links) -> Element | None:
    """Return a sentence for a copy with the same bytes as the original, if that is at this stop."""
    original_key = compare.COPIES.get(key)
    original = getattr(stop.capture, original_key) if original_key else None
    copy = getattr(stop.capture, key)
    if original is None or original_key is None or original.raw != copy.raw:
        return None
    target = section_id(links.stop, original_key)
    return element("p", f"at {text.address(copy.at)}: identical to ", link(target, symbol_path(original_key)))


def _cmdline(stop: Stop, _: Links) -> Element:
    cmdline = stop.capture.cmdline
    if cmdline is None:
        return element("p", missing_reason(stop.capture, "cmdline"))
    rest = len(cmdline.raw) - COMMAND_LINE_SIZE
    words = "\n".join(text.folded(cmdline.raw[:COMMAND_LINE_SIZE])) or "(empty)"
    more = f", and {text.size(rest)} more" if rest > 0 else ""
    heading = f"{text.size(len(cmdline.raw))} at {text.address(cmdline.paddr)}{more}"
    return element("div", element("p", heading), scrolling("The command line", element("pre", words)))


def _of_rows(title: str, rows: Callable[[Stop], list[Row]]) -> Callable[[Stop, Links], Element]:
    """Return a function that makes a table of the rows. Without rows, the guest has no such structure."""
    return lambda stop, links: row_table(title, found, links) if (found := rows(stop)) else element("p", "none")


def _params(stop: Stop, key: str) -> list[Row]:
    return boot_params_rows.boot_params_rows(stop.capture, key, boot_data=stop.latest_with_map, folded=True)


def _cpu(stop: Stop, links: Links) -> Element:
    return folded("CPU", row_table("CPU", cpu_rows.cpu_rows(stop.capture), links))


_SHOWN: dict[str, Callable[[Stop, Links], Element]] = {
    "start_info": _of_rows("struct hvm_start_info", lambda stop: start_info_rows.start_info_rows(stop.capture)),
    "pvh_start_info": _of_rows(
        "the kernel's copy of start_info",
        lambda stop: start_info_rows.start_info_rows(stop.capture, "pvh_start_info"),
    ),
    "cmdline": _cmdline,
    "modules": _of_rows("the module list", lambda stop: start_info_rows.module_rows(stop.capture)),
    "memory_map": _of_rows("the memory map", lambda stop: map_rows.memory_map_rows(stop.capture)),
    "boot_params": _of_rows("struct boot_params", lambda stop: _params(stop, "boot_params")),
    "kernel_boot_params": _of_rows(
        "the kernel's copy of boot_params", lambda stop: _params(stop, "kernel_boot_params")
    ),
    "e820_table": _of_rows("the kernel's e820 table", lambda stop: map_rows.e820_rows(stop.capture)),
}
