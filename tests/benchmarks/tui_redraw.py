"""Measure the time from a key to the next frame, at 120x40, with a map of 128 entries and 5,000 lines of gdb output.

    python -m tests.benchmarks.tui_redraw [--profile]

For each kind of key, the median and the maximum are printed. The exit status is 1 if the median of all keys is above
8 ms or any key takes more than 30 ms.
"""

import cProfile
import pstats
import statistics
import sys
import tempfile
import threading
import time
from os import environ

from prompt_toolkit.input import create_pipe_input

from pvhdbg.boot.record.document import Document
from pvhdbg.tui.app import start
from pvhdbg.tui.app.app import Tui
from pvhdbg.tui.draw import frame
from pvhdbg.tui.screen import state
from pvhdbg.tui.screen.state import Screen
from pvhdbg.views.rows import text
from tests import build
from tests.tui import apps, screens
from tests.tui.apps import RunningTui, Terminal

SIZE = (120, 40)
MEDIAN_MS, WORST_MS = 8.0, 30.0
KEY_INTERVAL = 0.05
RANGES = tuple((number << 24, 1 << 23, 1 + number % 5) for number in range(128))
KEYS = {
    "down": ("Down",) * 40,
    "page": ("PageDown", "PageUp") * 10,
    "view": ("4", "3", "2", "8", "1", "9", "5", "6", "7", "3") * 3,
    "past": ("Left", "Right") * 10,
    "diff": ("d",) * 10,
    "unfold": ("4", *("z",) * 10, "3"),
    "help": ("?", "Down", "Esc") * 4,
    "output": ("S-Tab", *("PageUp",) * 10, *("PageDown",) * 10, "Tab"),
    "typing": ("S-Tab", *"p pvh_start_info.magic", "Ctrl-C", "Tab"),
}


def screen() -> Screen:
    """Return a screen with the memory view, a long memory map and much gdb output."""
    document = with_map(build.boot())
    printed = tuple(f"line {number} of what gdb printed, about as long as lines are" for number in range(5000))
    here = screens.at("bootparams", "memory", document)
    return here._replace(output=printed, focus=state.VIEW)


def with_map(document: Document) -> Document:
    """Replace the memory map with one of 128 entries."""
    guest = build.linux_guest()
    guest.put(
        build.START_INFO, build.start_info(cmdline_paddr=build.CMDLINE, memmap_paddr=0x200000, memmap_entries=128)
    )
    guest.put(0x200000, build.memmap(RANGES))
    stops = (guest.at("entry", build.START_INFO), *document.stops[1:])
    return document._replace(stops=(*stops[:1], *(stop._replace(memory_map=stops[0].memory_map) for stop in stops[1:])))


class Quiet(Terminal):
    """A terminal that ignores its output, because the speed of the terminal is not measured."""

    def write(self, text: str) -> int:
        return len(text)


class Stopwatch:
    """Measure the time from a key to the TUI's next frame."""

    def __init__(self, tui: RunningTui) -> None:
        self._tui = tui
        self._drawn = threading.Event()
        self._ended = 0.0
        tui.tui.app.after_render += self._end

    def _end(self, _sender: object) -> None:
        self._ended = time.perf_counter()
        self._drawn.set()

    def key(self, name: str) -> float:
        """Return the milliseconds from a key to the next frame."""
        time.sleep(KEY_INTERVAL)
        self._drawn.clear()
        start = time.perf_counter()
        self._tui._keyboard.send_text(apps.KEYS.get(name, name))
        assert self._drawn.wait(10), f"{name} does not redraw"
        return (self._ended - start) * 1000


def measure() -> dict[str, list[float]]:
    with create_pipe_input() as keyboard:
        tui = RunningTui(lambda: Tui(screen()), Quiet(*SIZE), keyboard)
        tui.until(lambda: tui.tui.windows.body.size[0] > 0)
        start.freeze_heap()
        watch = Stopwatch(tui)
        for names in KEYS.values():  # warm up
            for name in names:
                watch.key(name)
        timings = {kind: [watch.key(name) for name in names] for kind, names in KEYS.items()}
        tui.end()
    return timings


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        environ["XDG_STATE_HOME"] = folder
        if "--profile" in sys.argv:
            return profile()
        timings = measure()
    everything = [milliseconds for took in timings.values() for milliseconds in took]
    for kind, took in {**timings, "all": everything}.items():
        print(f"{kind:8} {len(took):4} keys   median {statistics.median(took):5.1f} ms   slowest {max(took):5.1f} ms")
    return int(statistics.median(everything) > MEDIAN_MS or max(everything) > WORST_MS)


def profile() -> int:
    """Profile the drawing of 100 frames."""
    here, profiler = screen(), cProfile.Profile()
    profiler.enable()
    for cursor in range(100):
        frame.frame(here.at(cursor), SIZE[0], SIZE[1] - 2)
    profiler.disable()
    pstats.Stats(profiler).sort_stats("tottime").print_stats(25)
    print(text.counted(len(frame.rows(here)), "row"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
