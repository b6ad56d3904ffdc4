"""Every style class that a pane uses, and what it marks. The colours are in style.py alone."""

from __future__ import annotations

CLASSES: dict[str, str] = {}
"""What each class marks, by its name as style.py writes it."""


def _named(name: str, meaning: str) -> str:
    CLASSES[name] = meaning
    return f"class:{name}"


TITLE = _named("title", "the program's name on the first line")
KERNEL = _named("state.kernel", "kernel and machine on the first line")
CPU = _named("state.cpu", "CPU mode, paging and RIP on the first line")
SYMBOLS = _named("state.symbols", "whether symbols are loaded")
STARTING = _named("run.starting", "nothing runs yet")
RUNNING = _named("run.running", "the guest runs")
STOPPED = _named("run.stopped", "the guest stands still and can go on")
DEAD = _named("run.dead", "the guest died")
ENDED = _named("run.ended", "there is no machine any more")
RECORDING = _named("run.recording", "there never was one: a recording")
RUNS = {
    "starting": STARTING,
    "running": RUNNING,
    "stopped": STOPPED,
    "dead": DEAD,
    "ended": ENDED,
    "recording": RECORDING,
}

PASSED = _named("stage.passed", "a stage that was passed")
HERE = _named("stage.here", "the stage at which the machine stands")
AHEAD = _named("stage.ahead", "a stage that is still to come")
LACKING = _named("stage.lacking", "a stage that this guest has not")
LOOKED_AT = _named("stage.past", "the past stage that is looked at; comes with one of the others")
STAGES = {"passed": PASSED, "here": HERE, "ahead": AHEAD, "lacking": LACKING, "missed": LACKING}

BORDER = _named("border", "frames, and the lines between panes")
BORDER_FOCUS = _named("border.focus", "the frame of the pane that has the focus")
BORDER_PAST = _named("border.past", "the frame round the past")
TAB = _named("tab", "a view's name in the frame")
TAB_CHOSEN = _named("tab.chosen", "the name of the view that is shown")
PANE_TITLE = _named("pane.title", "what a pane is, in the line above it")
HEADING = _named("heading", "the first line of a view: what it shows")
PAST = _named("past", "the words that say that this is the past")
SECTION = _named("section", "a row that heads others")
OLD = _named("old", "all of a view while the guest runs: how it was at the last stop; comes with other classes")
EMPTY = _named("empty", "why there is nothing to show")

SELECTED = _named("selected", "the selected row of the pane that has the focus; comes with other classes")
CURSOR = _named("cursor", "the selected row of a pane without the focus; comes with other classes")
CHANGED = _named("changed", "the star of a row that is not what it was, and its old value")
OFFSET = _named("offset", "an offset or an index")
NAME = _named("name", "a field's name")
VALUE = _named("value", "a field's value")
MEANING = _named("meaning", "what a value means")
MISSING = _named("missing", "the dash for a value that does not exist, and its reason")

ERROR = _named("finding.error", "the sign and code of an error")
WARNING = _named("finding.warning", "the sign and code of a warning")
INFO = _named("finding.info", "the sign and code of what is true and harmless")
FINDINGS = {"error": ERROR, "warning": WARNING, "info": INFO}

RAM = _named("memory.ram", "cells and types: usable memory")
RESERVED = _named("memory.reserved", "reserved")
ACPI = _named("memory.acpi", "ACPI tables and NVS")
PERSISTENT = _named("memory.persistent", "persistent, and memory set aside")
BAD = _named("memory.bad", "unusable or not enabled")
UNKNOWN = _named("memory.unknown", "a type that has no name")
OVERLAP = _named("memory.overlap", "listed as two types")
GAP = _named("memory.gap", "listed nowhere")
KINDS = {
    "RAM": RAM,
    "RESERVED": RESERVED,
    "ACPI": ACPI,
    "NVS": ACPI,
    "PMEM": PERSISTENT,
    "PRAM": PERSISTENT,
    "SOFT_RESERVED": PERSISTENT,
    "UNUSABLE": BAD,
    "DISABLED": BAD,
    "unknown type": UNKNOWN,
    "listed as two types": OVERLAP,
    "not listed": GAP,
}
SCALE = _named("memory.scale", "addresses above the cells")
MARK = _named("memory.mark", "the letters below the cells")

CURRENT = _named("code.current", "the line or instruction at RIP")
BREAKPOINT = _named("code.breakpoint", "the sign of a breakpoint")
ADDRESS = _named("address", "an address before a line")
BYTES = _named("bytes", "bytes as hex")
BYTES_SELECTED = _named("bytes.selected", "the bytes of what was selected")
CHARACTERS = _named("bytes.text", "the same bytes as characters")

DETAIL = _named("detail", "what the selected row is")
DETAIL_NAME = _named("detail.name", "its name")
OUTPUT = _named("output", "what gdb printed")
OUTPUT_COMMAND = _named("output.command", "a line that was typed at gdb's prompt")
SERIAL = _named("serial", "what the guest wrote")
MESSAGE = _named("message", "a message, until the next key")
QUEUED = _named("queued", "commands that wait")
POPUP = _named("popup", "what lies over everything")
POPUP_TITLE = _named("popup.title", "its title, and the heads in it")
KEY = _named("legend.key", "a key")
LEGEND = _named("legend", "what a key does")
ENTRY = _named("entry", "a line that is being typed in a pane")
TOO_SMALL = _named("too-small", "that the terminal is too small")
