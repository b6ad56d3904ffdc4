"""A recorded boot in which every text of the guest, its file and its machine is hostile."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pvhdbg.boot.record.document import PANICKED, Watched
from pvhdbg.boot.record.replay import replay
from pvhdbg.boot.who.answer import Answer, Code, Reader, Writer
from tests.paths import RECORDINGS_DIR

if TYPE_CHECKING:
    from pvhdbg.boot.record.document import Document

SCRIPT = '</text></svg><script>document.title="owned"</script><img src=http://127.0.0.1/x onerror=alert(1)>'
HOSTILE = f"{SCRIPT}&lt;\"'</pre></style></title>\x1b[2J\u202e\n"
COMMAND_LINE = b"</pre></svg><script>x</script>"[:29]
"""As long as the command line of the recording."""


def hostile() -> Document:
    """Return the run, with writers and readers, and with what was seen after the last stage."""
    document: dict[str, Any] = json.loads((RECORDINGS_DIR / "linux-6.1-microvm-initrd.json").read_text("utf-8"))
    for key in ("path", "release", "kind"):
        document["kernel"][key] = HOSTILE
    for key in ("qemu", "machine", "append", "initrd"):
        document["machine"][key] = HOSTILE
    for stop in document["stops"]:
        stop["missing"] = dict.fromkeys(stop["missing"], HOSTILE)
        for block in stop["memory"]:
            block["hex"] = block["hex"].replace(b"console=ttyS0 pvhdbg=recorded".hex(), COMMAND_LINE.hex())
    run = replay(document)
    watched = Watched(PANICKED, 1, 1, HOSTILE, HOSTILE, (HOSTILE,), (HOSTILE,))
    return run._replace(who=answers(), who_ended=HOSTILE, outcome=run.outcome._replace(watched=watched))


def answers() -> tuple[Answer, ...]:
    """Return answers about a field that the recording has, and about one with a hostile name."""
    code = Code(0x1000, HOSTILE, (HOSTILE,), HOSTILE)
    writer = Writer("cpu", code, HOSTILE, 0x310D548, 4, bytes(4), "start_info.cmdline_paddr", "register")
    reader = Reader(code, HOSTILE, 2)
    return (
        Answer("boot_params.hdr.cmd_line_ptr", 0x310D548, 4, (writer,), (reader,)),
        Answer("start_info.cmdline_paddr", 0xF31F8, 8, (writer._replace(origin=None),), ()),
        Answer(HOSTILE, 0, 8, (writer._replace(origin=HOSTILE),), (reader,)),
    )
