"""The picture of the handover: an arrow for each pointer, to the box at its address."""

from __future__ import annotations

import json

import pytest

from pvhdbg.boot.record.replay import load
from pvhdbg.boot.stop.capture import Text
from pvhdbg.cli.command.teaching import boots
from pvhdbg.views.pictures import graph, handover
from pvhdbg.views.pictures.graph import Box, Line
from pvhdbg.views.pictures.table import PICTURES
from tests.paths import RECORDINGS_DIR
from tests.views.pictures.sheets import elements

POINTERS = ("modlist_paddr", "cmdline_paddr", "rsdp_paddr", "memmap_paddr")


def arrows(boxes: list[Box]) -> dict[str, str]:
    """Return for each line with an arrow the title of the box that it leads to."""
    titles = {box.key: box.title for box in boxes}
    return {line.words: titles[line.leads_to] for box in boxes for line in box.lines if line.leads_to}


@pytest.mark.parametrize("name", ["linux-6.1-microvm-initrd", "linux-6.12-q35", "grub-entry", "teaching-guest-rfc"])
def test_each_pointer_leads_to_the_box_at_its_address(name: str) -> None:
    stop = json.loads((RECORDINGS_DIR / f"{name}.json").read_text("utf-8"))["stops"][0]
    run = load(RECORDINGS_DIR / f"{name}.json")
    found = arrows(handover.boxes(run.stops[0], run.kernel))
    info = stop["start_info"]
    pointers = {key: info[key] for key in POINTERS if info.get(key)} | {"ebx ": stop["registers"]["rbx"]}
    led = {key: next(title for words, title in found.items() if words.startswith(key)) for key in pointers}

    assert len(pointers) > 2
    assert {key: f"at {address:#x}" for key, address in pointers.items()} == {
        key: title[title.index("at ") :] for key, title in led.items()
    }


def test_the_map_in_a_module_is_where_the_module_leads() -> None:
    run = load(RECORDINGS_DIR / "teaching-guest-rfc.json")
    found = arrows(handover.boxes(run.stops[0], run.kernel))

    assert "memory map at 0x10000" == found["[1] paddr          0x10000"]
    assert "text of module 1 at 0x10080" in found.values()


def test_a_pointer_to_nothing_has_no_arrow() -> None:
    run = load(RECORDINGS_DIR / "grub-entry.json")
    info = next(box for box in handover.boxes(run.stops[0], run.kernel) if box.key == "start_info")

    assert Line("modlist_paddr   0x0") in info.lines


def test_what_could_not_be_read_says_why() -> None:
    run = load(RECORDINGS_DIR / "linux-6.1-microvm-initrd.json")
    lost = run.stops[0]._replace(modules=None, missing={"modules": "not in RAM"})
    box = next(box for box in handover.boxes(lost, run.kernel) if box.key == "modules")

    assert (True, (Line("not in RAM"),)) == (box.is_missing, box.lines)


def test_each_arrow_is_drawn_once() -> None:
    run = load(RECORDINGS_DIR / "linux-6.1-microvm-initrd.json")
    found = handover.boxes(run.stops[0], run.kernel)
    drawn = [node for node in elements(graph.draw(found, "handover", "x"), "path") if node.getAttribute("marker-end")]

    assert len(arrows(found)) == len(drawn) > 5


def test_a_map_where_the_machine_has_no_memory_has_the_reason_instead_of_zeros() -> None:
    shown = "\n".join(PICTURES["handover"].as_text(load(boots.CHAPTERS / "died.json")))

    assert "no memory" in shown
    assert "unknown" not in shown
    assert "RAM" in "\n".join(PICTURES["handover"].as_text(load(boots.CHAPTERS / "boot.json")))


def test_a_command_line_is_broken_at_its_spaces() -> None:
    run = load(RECORDINGS_DIR / "linux-6.1-microvm-initrd.json")
    cmdline = Text(0xEFCB0, b"console=ttyS0 earlyprintk=ttyS0 root=/dev/vda " + b"x" * 40)
    box = next(
        box for box in handover.boxes(run.stops[0]._replace(cmdline=cmdline), run.kernel) if box.key == "cmdline"
    )

    assert ['"console=ttyS0', "earlyprintk=ttyS0"] == box.lines[0].words.split()[:1] + box.lines[1].words.split()[:1]
    assert max(len(line.words) for line in box.lines) <= 30
