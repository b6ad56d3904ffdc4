"""The picture of memory is to scale."""

from __future__ import annotations

import json
import random

import pytest

from pvhdbg.abi.start_info import ModlistEntry
from pvhdbg.boot.record.replay import load
from pvhdbg.boot.stop.capture import Module
from pvhdbg.views.pictures import memory, style
from pvhdbg.views.pictures.drawing import MARGIN
from pvhdbg.views.rows import picture_text
from tests import build
from tests.paths import RECORDINGS_DIR
from tests.views.pictures.sheets import boxes, overlapping

PATH = RECORDINGS_DIR / "linux-6.1-microvm-initrd.json"


def test_the_kernel_is_as_long_as_its_share_of_memory() -> None:
    recorded = json.loads(PATH.read_text("utf-8"))
    segments = recorded["kernel"]["segments"]
    start = min(segment["paddr"] for segment in segments)
    end = max(segment["paddr"] + segment["memsz"] for segment in segments)
    run = load(PATH)
    longest = max(boxes(memory.draw(run.stops[0], run.kernel), "place"), key=lambda box: box.width)
    scale = memory.BAR / ((512 << 20) - (1 << 20))

    assert longest.x == pytest.approx(MARGIN + (start - (1 << 20)) * scale, abs=1)
    assert longest.width == pytest.approx((end - start) * scale, abs=2)


def test_ram_below_1_mib_ends_where_the_map_says() -> None:
    recorded = json.loads(PATH.read_text("utf-8"))
    entries = recorded["stops"][0]["memory_map"]["entries"]
    low = next(entry for entry in entries if entry["type"] == 1 and entry["addr"] == 0)
    run = load(PATH)
    first = boxes(memory.draw(run.stops[0], run.kernel), style.kind_class("RAM"))[0]

    assert first.width == pytest.approx(low["size"] * memory.BAR / (1 << 20), abs=1)


def test_every_kind_of_cell_has_a_color() -> None:
    assert list(picture_text.SIGNS) == list(style.KINDS)


@pytest.mark.parametrize("seed", range(8))
def test_labels_never_cover_each_other(seed: int) -> None:
    chosen = random.Random(seed)
    modules = [(chosen.randrange(0x1000, 0x1FF00000), chosen.randrange(1 << 22), 0, 0) for _ in range(20)]
    listed = tuple(Module(ModlistEntry(build.modlist(module), 0x5000), None) for module in modules)
    drawing = memory.draw(build.boot().stops[0]._replace(modules=listed), build.linux())

    assert boxes(drawing, "place")
    assert [] == overlapping(drawing)
