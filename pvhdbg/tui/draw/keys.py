"""The table of keys: bindings, legend, F1 help and the manual are all made from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.named_tuple import NamedTuple
from pvhdbg.tui.screen import state
from pvhdbg.tui.views import table

if TYPE_CHECKING:
    from pvhdbg.tui.screen.state import Screen

EVERYWHERE, PANE, PROMPT, TOUR = "everywhere", "pane", "prompt", "tour"


class Key(NamedTuple):
    """A key and its action.

    `key` is the name shown to users. `names` are prompt_toolkit's names of the keys to press, one after the other.
    `scope` is where the key works. `action` is the name of an action in app/actions.py or app/dispatcher.py. `short` is
    the word in the legend, or empty if the legend does not show the key.
    """

    key: str
    names: tuple[str, ...]
    scope: str
    action: str
    help: str
    short: str = ""


_RUN = ("continue", "next", "step", "stepi", "finish")
IN_TRACE = (*_RUN, "back-step", "back-stage", "back-store", "restart")
"""Actions that a recording with a trace has too."""
_BACK = ("back-step", "back-stage", "back-store")
NEED_MACHINE = ("restart", *_RUN, "interrupt", *_BACK, "breakpoint")
"""Actions that need a machine. A recording has none."""
RUN_ON = (*_RUN, "next-stage")
"""Actions that need a guest that is not dead."""


def impossible(kind: str, *, is_own_machine: bool) -> frozenset[str]:
    """Return the actions that cannot work if the guest is in the state `kind`.

    Only a machine that pvhdbg started can be restarted and taken back.
    """
    if kind == state.STARTING:
        return frozenset()
    if kind in (state.RECORDING, state.ENDED):
        return frozenset((*NEED_MACHINE, *(("next-stage",) if kind == state.ENDED else ())))
    foreign = () if is_own_machine else ("restart", *_BACK)
    return frozenset((*foreign, *((*RUN_ON, "interrupt") if kind == state.DEAD else ())))


def impossible_now(screen: Screen) -> frozenset[str]:
    found = impossible(screen.run.kind, is_own_machine=screen.is_own_machine)
    return found.difference(IN_TRACE) if screen.trace else found


def _views() -> tuple[Key, ...]:
    """Return the keys that show the views. Together with Alt, they work everywhere."""
    actions = [(view.key, f"view {view.name}", f"show {view.name}: {view.about}") for view in table.VIEWS]
    return (
        *(Key(f"Alt-{key}", ("escape", key), EVERYWHERE, action, about) for key, action, about in actions),
        *(Key(key, (key,), PANE, action, about) for key, action, about in actions),
    )


_FOLDING = ", ".join(view.name for view in table.VIEWS if view.folds)

# fmt: off
KEYS: tuple[Key, ...] = (
    Key("F1", ("f1",), EVERYWHERE, "help", "show this list of keys; type to search in it", "help"),
    Key("F2", ("f2",), EVERYWHERE, "read", "show the whole detail, with links to explanations; again: close", "detail"),
    Key("F3", ("f3",), EVERYWHERE, "palette", "find any view, key, command or explanation by its name", "find"),
    Key("F4", ("f4",), EVERYWHERE, "restart",
        "restart the guest, like `run`; `starti` stops at its entry; in a trace, go to its start", "restart"),
    Key("F5", ("f5",), EVERYWHERE, "continue", "continue the guest; in a trace, go to its end", "continue"),
    Key("F6", ("f6",), EVERYWHERE, "next-stage",
        "run to the next stage; in a recording, show the next captured stage", "next stage"),
    Key("F7", ("f7",), EVERYWHERE, "back-step",
        "go back by one instruction, also in a trace; a repeated one as a whole", "before the death"),
    Key("F8", ("f8",), EVERYWHERE, "back-stage",
        "go back to the last captured stage before here, also in a trace; like `pvh back`", "stage before"),
    Key("F9", ("f9",), EVERYWHERE, "breakpoint",
        "set or delete a hardware breakpoint at the selected code or bytes, otherwise at RIP"),
    Key("F10", ("f10",), EVERYWHERE, "next",
        "step one line over calls (one instruction without source); in a trace, leave a loop too", "next"),
    Key("F11", ("f11",), EVERYWHERE, "step", "step one line into calls (one instruction without source)", "step"),
    Key("Shift-F11", ("f23",), EVERYWHERE, "finish", "run until the current function returns", "leave function"),
    Key("Ctrl-C", ("c-c",), EVERYWHERE, "interrupt", "interrupt the running guest or gdb command", "interrupt"),
    Key("Ctrl-Z", ("c-z",), EVERYWHERE, "suspend", "suspend pvhdbg; `fg` resumes it"),
    Key("Ctrl-Q", ("c-q",), EVERYWHERE, "quit", "quit; asks first if quitting ends the guest", "quit"),
    Key("Tab", ("tab",), PANE, "focus-next", "focus the next pane", "focus"),
    Key("Shift-Tab", ("s-tab",), EVERYWHERE, "focus-back", "focus the previous pane"),
    Key("Esc", ("escape",), PANE, "focus-prompt", "focus the prompt"),
    Key("c", ("c",), PANE, "continue", "continue the guest"),
    Key("n", ("n",), PANE, "next", "step over calls, like F10"),
    Key("s", ("s",), PANE, "step", "step into calls, like F11"),
    Key("f", ("f",), PANE, "finish", "run until the current function returns"),
    Key("i", ("i",), PANE, "stepi", "step one instruction"),
    Key("Ctrl-P", ("c-p",), PANE, "palette", "find any view, key, command or explanation by its name"),
    Key("?", ("?",), PANE, "help", "show this list of keys"),
    Key("q", ("q",), PANE, "quit", "quit"),
    Key("Up", ("up",), PANE, "up", "move one row up"),
    Key("Down", ("down",), PANE, "down", "move one row down"),
    Key("k", ("k",), PANE, "up", "move one row up"),
    Key("j", ("j",), PANE, "down", "move one row down"),
    Key("PageUp", ("pageup",), PANE, "page-up", "move one page up"),
    Key("PageDown", ("pagedown",), PANE, "page-down", "move one page down"),
    Key("Home", ("home",), PANE, "first", "move to the first row"),
    Key("End", ("end",), PANE, "last", "move to the last row"),
    Key("Left", ("left",), PANE, "earlier",
        "show the previous stage, as captured; in a trace, the machine one instruction earlier", "earlier"),
    Key("Right", ("right",), PANE, "later",
        "show the next captured stage, up to the current stop; in a trace, the machine one instruction later"),
    Key("[", ("[",), PANE, "earlier-stage", "show the previous captured stage, in a trace too"),
    Key("]", ("]",), PANE, "later-stage", "show the next captured stage, in a trace too"),
    Key("o", ("o",), PANE, "chain", "choose a field or a step of the last answer of `who`, and go there with Enter"),
    Key("Enter", ("enter",), PANE, "follow", "follow the pointer; on a finding, go to the field", "follow"),
    Key("Backspace", ("backspace",), PANE, "back", "return to where Enter or : was pressed"),
    Key("Z", ("Z",), PANE, "zoom", "zoom the pane that has the focus, or show all panes again", "zoom"),
    Key("d", ("d",), PANE, "changes", "show only what changed since the previous stage, or everything again", "diff"),
    Key("z", ("z",), PANE, "fold", f"unfold or fold fields that are 0 (in {_FOLDING})"),
    Key("/", ("/",), PANE, "search", "search in this view"),
    Key("N", ("N",), PANE, "search-next", "go to the next match"),
    Key(":", (":",), PANE, "goto", "go to an address (0x… or p 0x… physical, v 0x… virtual) or a symbol", "go to"),
    Key("w", ("w",), PANE, "who", "show who wrote the selected row or bytes, and who reads them, like `pvh who`"),
    Key("W", ("W",), PANE, "back-store",
        "go back to the last store to the selected row or bytes, also in a trace; like `pvh back`"),
    Key("y", ("y",), PANE, "copy", "copy the row to the clipboard, through the terminal (OSC 52)"),
    Key("Y", ("Y",), PANE, "copy-view", "copy the whole view to the clipboard"),
    Key("S", ("S",), PANE, "save", "save the screen to a file: a picture if its name ends in .svg, otherwise text"),
    Key("m", ("m",), PANE, "mouse", "turn the mouse on or off; while it is on, Shift lets the terminal select text"),
    Key("Tab", ("tab",), PROMPT, "complete", "complete the word, as gdb does; on an empty line: next pane", "views"),
    Key("Enter", ("enter",), PROMPT, "run", "run the command; an empty line repeats the last one"),
    Key("Ctrl-R", ("c-r",), PROMPT, "history", "search the history, which is kept between sessions", "history"),
    Key("Ctrl-D", ("c-d",), PROMPT, "quit", "on an empty line: quit"),
    Key("PageUp", ("pageup",), PROMPT, "output-up", "scroll gdb's output up"),
    Key("PageDown", ("pagedown",), PROMPT, "output-down", "scroll gdb's output down"),
    Key("Space", (" ",), TOUR, "tour-next", "on the card: show more, then the answer, then the next card", "go on"),
    Key("Backspace", ("backspace",), TOUR, "tour-back", "on the card: show its start, then the previous card", "back"),
    Key("t", ("t",), TOUR, "tour-show", "show the card, and what it is about, again"),
    Key("T", ("T",), TOUR, "tour-hide", "hide the card", "hide"),
    *_views(),
)
# fmt: on
