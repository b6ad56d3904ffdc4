"""Every style class that panes use, and what it marks. The colors are in app/colors.py."""

from __future__ import annotations

CLASSES: dict[str, str] = {}
"""What each class marks, by the name of the class in app/colors.py."""


def _named(name: str, meaning: str) -> str:
    CLASSES[name] = meaning
    return f"class:{name}"


TITLE = _named("title", "the program's name on the first line")
KERNEL = _named("state.kernel", "kernel and machine on the first line")
CPU = _named("state.cpu", "CPU mode, paging and RIP on the first line")
SYMBOLS = _named("state.symbols", "whether symbols are loaded")
STARTING = _named("run.starting", "QEMU and gdb are starting")
RUNNING = _named("run.running", "the guest is running")
STOPPED = _named("run.stopped", "the guest is stopped and can continue")
DEAD = _named("run.dead", "the guest died")
ENDED = _named("run.ended", "there is no machine any more")
RECORDING = _named("run.recording", "a recording: there is no machine")
RUNS = {
    "starting": STARTING,
    "running": RUNNING,
    "stopped": STOPPED,
    "dead": DEAD,
    "ended": ENDED,
    "recording": RECORDING,
}

PASSED = _named("stage.passed", "a stage that was passed")
HERE = _named("stage.here", "the stage of the current stop")
AHEAD = _named("stage.ahead", "a stage that the guest has not reached yet")
LACKING = _named("stage.lacking", "a stage that this guest lacks, or that was not captured")
DIED = _named("stage.died", "where the guest died, after its last stage")
SHOWN = _named("stage.past", "the displayed past stage; added to another stage class")
STAGES = {"passed": PASSED, "here": HERE, "ahead": AHEAD, "lacking": LACKING, "missed": LACKING, "undone": AHEAD}

BORDER = _named("border", "borders")
BORDER_FOCUS = _named("border.focus", "the border of the pane that has the focus")
BORDER_PAST = _named("border.past", "the border of a view that shows a past stage")
TAB = _named("tab", "a tab: the name of a view")
TAB_CHOSEN = _named("tab.chosen", "the tab of the displayed view")
PANE_TITLE = _named("pane.title", "the title of a pane")
HEADING = _named("heading", "the first line of a view: what it shows")
PAST = _named("past", "the label of a past stage")
SECTION = _named("section", "a row that is a heading")
OLD = _named("old", "a view while the guest runs, or a finding of an earlier stage; added to other classes")
EMPTY = _named("empty", "why a view is empty")

SELECTED = _named("selected", "the selected row of the pane that has the focus; added to other classes")
CURSOR = _named("cursor", "the selected row of a pane without the focus; added to other classes")
CHANGED = _named("changed", "the star of a changed row, and the old value of the row")
OFFSET = _named("offset", "an offset or an index")
NAME = _named("name", "a field's name")
VALUE = _named("value", "a field's value")
MEANING = _named("meaning", "what a value means")
MISSING = _named("missing", "the dash for a missing value, and the reason why it is missing")

ERROR = _named("finding.error", "the sign and code of an error")
WARNING = _named("finding.warning", "the sign and code of a warning")
INFO = _named("finding.info", "the sign and code of a harmless finding")
FINDINGS = {"error": ERROR, "warning": WARNING, "info": INFO}

RAM = _named("memory.ram", "usable memory, in the picture and in tables")
RESERVED = _named("memory.reserved", "reserved memory")
ACPI = _named("memory.acpi", "ACPI tables and NVS")
PERSISTENT = _named("memory.persistent", "persistent memory, and soft-reserved memory")
BAD = _named("memory.bad", "unusable or disabled memory")
UNKNOWN = _named("memory.unknown", "memory of an unknown type")
OVERLAP = _named("memory.overlap", "memory that is listed as two types")
GAP = _named("memory.gap", "memory that no map entry covers")
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
SCALE = _named("memory.scale", "addresses above the picture")
MARK = _named("memory.mark", "letters below the picture")

CURRENT = _named("code.current", "the line or instruction at RIP")
CODE_COMMENT = _named("code.comment", "a comment in source")
CODE_KEYWORD = _named("code.keyword", "a keyword, a directive or the name of an instruction")
CODE_STRING = _named("code.string", "a string in source")
CODE_NUMBER = _named("code.number", "a number in code")
CODE_REGISTER = _named("code.register", "a register in assembly")
CODE_NAME = _named("code.name", "the symbol at the address that an instruction names")
CODE_NOTE = _named("code.note", "what an instruction does")
BREAKPOINT = _named("code.breakpoint", "the sign of a breakpoint")
ADDRESS = _named("address", "the address of a line")
BYTES = _named("bytes", "bytes in hex")
BYTES_SELECTED = _named("bytes.selected", "the selected bytes")
CHARACTERS = _named("bytes.text", "bytes as characters")

DETAIL = _named("detail", "the text of the detail pane")
DETAIL_NAME = _named("detail.name", "the name of the selected row")
OUTPUT = _named("output", "what gdb printed")
OUTPUT_COMMAND = _named("output.command", "a line typed at the prompt")
SERIAL = _named("serial", "what the guest wrote: its serial output and its log")
MESSAGE = _named("message", "a message for the user")
QUEUED = _named("queued", "the number of queued commands")
POPUP = _named("popup", "a popup")
POPUP_TITLE = _named("popup.title", "titles in a popup")
LINK = _named("link", "a word that is a link")
TOUR = _named("tour", "the text of the tour's card")
TOUR_TITLE = _named("tour.title", "the title of the tour's card")
TOUR_QUESTION = _named("tour.question", "the question on the tour's card")
KEY = _named("legend.key", "a key")
LEGEND = _named("legend", "what a key does")
ENTRY = _named("entry", "the address or search text being typed in a pane")
TOO_SMALL = _named("too-small", "the message for a terminal that is too small")
