"""Every key, once: the bindings, the legend, F1 help and the README all come from this table."""

from __future__ import annotations

from typing import NamedTuple

from pvhdbg.tui.views import table

EVERYWHERE, PANE, PROMPT = "everywhere", "pane", "prompt"


class Key(NamedTuple):
    """`key` as it is written for people, `names` as prompt_toolkit calls it (several: in a row), `action` what
    tui/actions.py or tui/doing.py does, `short` its word in the legend (empty: not in it).
    """

    key: str
    names: tuple[str, ...]
    scope: str
    action: str
    help: str
    short: str = ""


def _views() -> tuple[Key, ...]:
    """Return the keys of the views: with Alt they work everywhere."""
    actions = [(view.key, f"view {view.name}", f"{view.name}: {view.about}") for view in table.VIEWS]
    return (
        *(Key(f"Alt-{key}", ("escape", key), EVERYWHERE, action, about) for key, action, about in actions),
        *(Key(key, (key,), PANE, action, about) for key, action, about in actions),
    )


# fmt: off
KEYS: tuple[Key, ...] = (
    Key("F1", ("f1",), EVERYWHERE, "help", "this help", "help"),
    Key("F2", ("f2",), EVERYWHERE, "read", "read all of the detail, whatever its length; again: back", "detail"),
    Key("F4", ("f4",), EVERYWHERE, "restart", "start the guest again (typed: `run`; `starti` to its entry)", "restart"),
    Key("F5", ("f5",), EVERYWHERE, "continue", "continue", "continue"),
    Key("F6", ("f6",), EVERYWHERE, "next-stage", "run to the next stage", "next stage"),
    Key("F9", ("f9",), EVERYWHERE, "breakpoint", "hardware breakpoint on or off: selected code, marked byte, else RIP"),
    Key("F10", ("f10",), EVERYWHERE, "next", "next source line or, without one, instruction; over calls", "next"),
    Key("F11", ("f11",), EVERYWHERE, "step", "one source line, without one an instruction, into calls", "step"),
    Key("Shift-F11", ("f23",), EVERYWHERE, "finish", "run until this function returns"),
    Key("Ctrl-C", ("c-c",), EVERYWHERE, "interrupt", "interrupt the guest, whatever started it", "interrupt"),
    Key("Ctrl-Z", ("c-z",), EVERYWHERE, "suspend", "suspend pvhdbg; `fg` brings it back"),
    Key("Ctrl-Q", ("c-q",), EVERYWHERE, "quit", "quit; asks once while a guest of ours lives", "quit"),
    Key("Tab", ("tab",), PANE, "focus-next", "the next pane", "focus"),
    Key("Shift-Tab", ("s-tab",), EVERYWHERE, "focus-back", "the pane before"),
    Key("Esc", ("escape",), PANE, "focus-prompt", "back to the prompt"),
    Key("c", ("c",), PANE, "continue", "continue"),
    Key("n", ("n",), PANE, "next", "next line"),
    Key("s", ("s",), PANE, "step", "step"),
    Key("f", ("f",), PANE, "finish", "finish"),
    Key("i", ("i",), PANE, "stepi", "step an instruction"),
    Key("?", ("?",), PANE, "help", "this help"),
    Key("q", ("q",), PANE, "quit", "quit"),
    Key("Up", ("up",), PANE, "up", "the row above"),
    Key("Down", ("down",), PANE, "down", "the row below"),
    Key("k", ("k",), PANE, "up", "the row above"),
    Key("j", ("j",), PANE, "down", "the row below"),
    Key("PageUp", ("pageup",), PANE, "page-up", "a page up"),
    Key("PageDown", ("pagedown",), PANE, "page-down", "a page down"),
    Key("Home", ("home",), PANE, "first", "the first row"),
    Key("End", ("end",), PANE, "last", "the last row"),
    Key("Left", ("left",), PANE, "earlier", "what was captured at the stage before: the past", "past"),
    Key("Right", ("right",), PANE, "later", "the stage after, back to now"),
    Key("Enter", ("enter",), PANE, "follow", "follow the pointer; on a finding, go to its row", "follow"),
    Key("Backspace", ("backspace",), PANE, "back", "back to where Enter or : was pressed"),
    Key("d", ("d",), PANE, "changes", "only what changed since the stage before", "diff"),
    Key("z", ("z",), PANE, "fold", "show the fields that are 0, or fold them"),
    Key("/", ("/",), PANE, "search", "search in this view"),
    Key("N", ("N",), PANE, "search-next", "the next match"),
    Key(":", (":",), PANE, "goto", "go to an address (0x… or p 0x… physical, v 0x… virtual) or a symbol", "go to"),
    Key("y", ("y",), PANE, "copy", "copy the row, by the terminal (OSC 52)"),
    Key("m", ("m",), PANE, "mouse", "the mouse on or off"),
    Key("Tab", ("tab",), PROMPT, "complete", "complete, from gdb itself; on an empty line the next pane", "views"),
    Key("Enter", ("enter",), PROMPT, "run", "run the line; an empty one repeats the last"),
    Key("Ctrl-R", ("c-r",), PROMPT, "history", "search the history, which is kept between runs", "history"),
    Key("Ctrl-D", ("c-d",), PROMPT, "quit", "on an empty line: quit"),
    Key("PageUp", ("pageup",), PROMPT, "output-up", "scroll gdb's output up"),
    Key("PageDown", ("pagedown",), PROMPT, "output-down", "scroll gdb's output down"),
    *_views(),
)
# fmt: on
