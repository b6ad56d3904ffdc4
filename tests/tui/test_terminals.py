"""What the screen promises, on the drawn screen: at four sizes, in Unicode and ASCII, and on terminals with 256 colors,
with 16 colors and without color.

The lines are drawn without an application: with prompt_toolkit's styles and codes, on an emulated terminal.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache

import pyte
import pytest
from prompt_toolkit.output.vt100 import _EscapeCodeCache

from pvhdbg.checks.finding import Finding
from pvhdbg.live.debuggee.code import Code, CodeLine
from pvhdbg.live.instructions.next_instruction import Access, NextInstruction
from pvhdbg.tui.app import style as app_style
from pvhdbg.tui.app.prompt_label import prompt_label
from pvhdbg.tui.draw.frame import clamp
from pvhdbg.tui.draw.layout import BELOW
from pvhdbg.tui.lines.line import Line, clean, plain
from pvhdbg.tui.lines.signs import Signs, signs
from pvhdbg.tui.screen import state
from pvhdbg.tui.screen.state import Log, Popup, Run, Screen, StageMark
from pvhdbg.tui.views import shown, table
from tests.tui import apps, screens
from tests.tui.screens import at

SIZES = ((80, 24), (100, 30), (120, 40), (200, 60))
TERMINALS = {
    "256 colors": {"TERM": "xterm-256color", "COLORFGBG": "0;15"},
    "16 colors": {"TERM": "eterm-color", "COLORFGBG": "15;0"},
    "TERM=linux": {"TERM": "linux"},
    "NO_COLOR": {"TERM": "xterm-256color", "NO_COLOR": "1"},
}
COLOR = re.compile(r"(?:^|;)(?:3[0-7]|4[0-7]|9[0-7]|10[0-7]|[34]8;5;\d+)(?=;|$)")
CODES = re.compile(r"\x1b\[([0-9;]*)m")
TALL = 36
"""The least height at which both lines of the context strip are drawn."""

CODE = Code(
    "head.S:10, with its 32-bit instructions",
    (
        CodeLine("lgdt gdt", None, 10, True, path="head.S"),
        CodeLine("lgdtl  0x2000 <gdt>", 0x1000, None, True, breakpoint=True, source="head.S:10"),
    ),
)
LOAD = NextInstruction(0x1000850, "lgdtl 0x2000", (Access(0x2000, 6, is_read=True, is_written=False, data=bytes(6)),))
MARKS = (
    StageMark("entry", state.PASSED),
    StageMark("prepare", state.MISSED, "stepped over"),
    StageMark("bootparams", state.AHEAD),
)
DEATH = Run(state.DEAD, "triple-fault", how="triple fault", rip=0x1000)
FATAL = Finding("PVH902", "error", "page fault", "start_info.memmap_paddr")
Words = Callable[[Signs], tuple[str, ...]]


IN_LOOP = Run(state.STOPPED, "", rip=0x1000, symbol="xen_cpuid_base+0x8")


def here() -> Screen:
    return at("prepare", focus=state.VIEW)


POINTS: dict[str, tuple[Callable[[], Screen], Words, int]] = {
    "a stage that was stepped over": (
        lambda: here()._replace(stages=MARKS),
        lambda sign: (f"prepare {sign.stages['missed']}", f"F6 {sign.to} bootparams"),
        0,
    ),
    "source above or beside its instructions": (
        lambda: at("entry", "code", code=CODE),
        lambda sign: (
            f"{sign.breakpoint}{sign.current}",
            "10  lgdt gdt",
            "lgdtl  0x2000 <gdt>  ",
            "load the register GDTR",
        ),
        0,
    ),
    "the past": (
        lambda: at("e820", past=0),
        lambda sign: ("shown: entry", "protected32", f"[entry {sign.stages['passed']}]", sign.past_box.across * 3),
        0,
    ),
    "a recording": (
        lambda: apps.recorded(past=1)._replace(view="code"),
        lambda sign: ("recording", "callq  0xffffffff8106b730", f"F6 {sign.to} bootparams"),
        0,
    ),
    "only changes": (
        lambda: at("e820", "memory", only_changes=True),
        lambda sign: (f"{sign.changed} only changes", "nr_entries  5"),
        0,
    ),
    "queued commands": (lambda: here()._replace(queued=2), lambda _sign: ("2 ", "queued"), 0),
    "the way out of a loop": (lambda: here()._replace(run=IN_LOOP), lambda _sign: ("Shift-F11",), 0),
    "paging": (
        lambda: apps.recorded("teaching-guest", past=None, view="paging"),
        lambda _sign: ("PML4[511]", "table at 0x"),
        0,
    ),
    "changed bits": (
        lambda: apps.recorded(past=None, view="cpu"),
        lambda sign: (f"{sign.changed}cr0", "+MP", "+PG", f"{sign.changed}efer"),
        0,
    ),
    "the place of the death": (
        lambda: here()._replace(run=DEATH, findings=(FATAL,), stages=MARKS[::2]),
        lambda sign: (f"{sign.runs['dead']} died: triple fault", f"{sign.runs['dead']} died", "PVH902"),
        0,
    ),
    "a finding on its row": (
        lambda: at("prepare", findings=(FATAL,)),
        lambda sign: (f"{sign.findings['error']} PVH902",),
        0,
    ),
    "what is new elsewhere": (lambda: at("e820", "cpu"), lambda sign: (f"{sign.changed} new: 3 memory",), 0),
    "the next key": (here, lambda sign: (f"F6 {sign.to} bootparams",), 0),
    "the list of keys": (lambda: here()._replace(popup=Popup("help")), lambda _sign: ("search:", "F1"), 0),
    "the palette": (
        lambda: here()._replace(popup=Popup("palette", text="paging")),
        lambda _sign: ("search: paging", "view      paging"),
        0,
    ),
    "the context strip": (
        lambda: at("entry", next=LOAD),
        lambda _sign: ("next    lgdtl 0x2000", "reads 6 bytes at 0x2000", "changed"),
        TALL,
    ),
    "a chain of pointers": (
        lambda: here().at(4),
        lambda sign: (
            f"{sign.cursor} +0x10 modlist_paddr",
            f"{sign.to} the ramdisk" if sign.to == "->" else "the ramdisk",
        ),
        0,
    ),
    "an explanation": (lambda: here()._replace(popup=Popup("panel", steps=("cr0",))), lambda _sign: ("cr0", "Esc"), 0),
    "the log": (
        lambda: at("prepare", "log", log=Log(("[    0.000000] Linux version 6.1",))),
        lambda _sign: ("0 log", "Linux version 6.1"),
        0,
    ),
    "a zoomed pane": (lambda: here()._replace(zoomed=True), lambda _sign: ("Z: show all panes",), 0),
}
"""For each promise: a screen, the words that it shows, and the least number of lines."""


@cache
def of_point(name: str, size: tuple[int, int], is_ascii: bool) -> list[Line]:
    return drawn(POINTS[name][0](), size, is_ascii=is_ascii)


def drawn(screen: Screen, size: tuple[int, int], *, is_ascii: bool) -> list[Line]:
    screen = screen._replace(ascii=is_ascii)
    return screens.drawn(clamp(screen, size[0], size[1] - BELOW), *size)


@pytest.mark.parametrize("is_ascii", [False, True])
@pytest.mark.parametrize("size", SIZES)
def test_each_promise_is_kept_at_each_size(size: tuple[int, int], is_ascii: bool) -> None:
    broken = []
    for name, (_, words, least) in POINTS.items():
        lines = [plain(line) for line in of_point(name, size, is_ascii)]
        text = "\n".join(lines)

        assert {size[0]} == {len(line) for line in lines}, name
        assert is_ascii is text.isascii(), name
        wanted = words(signs(is_ascii)) if size[1] >= least else ()
        broken += [f"{name}: {word}" for word in wanted if word not in text and clean(word, ascii=is_ascii) not in text]

    assert [] == broken


def test_the_prompt_says_what_it_waits_for() -> None:
    assert "(gdb, loading symbols 3 s) " == prompt_label(at("prepare", symbols=state.LOADING, symbols_since=1, clock=4))
    assert "(gdb, 2 queued) " == prompt_label(at("prepare", queued=2))


def encoded(lines: list[Line]) -> Iterator[str]:
    """Yield each line with the codes that the terminal of the environment gets."""
    codes, styles = _EscapeCodeCache(app_style.depth()), app_style.style()
    names = {name for line in lines for name, _ in line}
    code = {name: codes[styles.get_attrs_for_style_str(name)] for name in names}
    for line in lines:
        yield "".join(f"{code[name]}{words}" for name, words in line)


@pytest.mark.parametrize("terminal", TERMINALS)
@pytest.mark.parametrize("size", SIZES)
def test_each_terminal_gets_its_colors_and_the_same_text(
    size: tuple[int, int], terminal: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLORFGBG", raising=False)
    for name, value in TERMINALS[terminal].items():
        monkeypatch.setenv(name, value)
    everything = [line for name in POINTS for line in of_point(name, size, terminal == "TERM=linux")]
    lines = list(encoded(everything))
    colors = {color for line in lines for code in CODES.findall(line) for color in COLOR.findall(code)}
    last = lines[1 - size[1] :]
    emulated = pyte.Screen(*size)
    pyte.Stream(emulated).feed("\r\n".join(last))

    assert [CODES.sub("", line).rstrip() for line in last] == [line.rstrip() for line in emulated.display[:-1]]
    assert any("8;5;" in color for color in colors) is (terminal == "256 colors")
    assert bool(colors) is (terminal != "NO_COLOR")


@pytest.mark.parametrize("size", SIZES)
def test_without_color_the_selected_row_and_the_chosen_tab_are_still_marked(
    size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    for view in ("start_info", "memory", "findings", "cpu", "paging"):
        screen = at("prepare", view, focus=state.VIEW, findings=(FATAL, screens.STACK))
        text = "\n".join(encoded(drawn(screen, size, is_ascii=False)))
        selected = shown.selected(screen)

        assert selected is not None
        assert re.search(r"\x1b\[0;[0-9;]*m▸", text), view
        assert re.search(rf"\x1b\[0;[0-9;]*7[0-9;]*m{table.BY_NAME[view].key}.\w", text), view
