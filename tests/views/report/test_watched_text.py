"""What the guest did after the last stage, as text."""

import pytest

from pvhdbg.boot.record.document import WATCH_ENDS, Outcome, Watched
from pvhdbg.views.report import run_text, watched_text
from tests import build

PANIC = "[    0.000000] Kernel panic - not syncing: Out of cheese"
PANICKED = Watched("panicked", 12, 0x1000, "setup_arch+0x5c4", "Out of cheese", (), ("[    0.000000] earlier", PANIC))
SERIAL, LOG = "the last lines on the serial console:", "the last lines of the kernel's log:"


def test_the_log_is_shown_if_the_console_does_not_have_its_last_lines() -> None:
    only_log = watched_text.last_output(PANICKED)
    both = watched_text.last_output(PANICKED._replace(serial=("hello",)))
    only_serial = watched_text.last_output(PANICKED._replace(serial=(PANIC, "---[ end ]---")))

    assert [[LOG, "  [    0.000000] earlier", f"  {PANIC}"]] == only_log
    assert [[SERIAL, "  hello"], [LOG, "  [    0.000000] earlier", f"  {PANIC}"]] == both
    assert [[SERIAL, f"  {PANIC}", "  ---[ end ]---"]] == only_serial


def test_the_first_bug_and_what_follows_it_is_shown_above_the_last_lines() -> None:
    bug = ["[    0.000000] BUG: kernel NULL pointer dereference", "[    0.000000] RIP: 0010:sparse_init+0x122/0x200"]
    last = tuple(f"[    0.000000] line {number}" for number in range(20))
    watched = PANICKED._replace(serial=last, log=(*bug, *last))
    near = watched._replace(serial=(*bug, *last[:3]), log=(*bug, *last[:3]))
    first = watched_text.last_output(watched)[0]

    assert ["the first BUG in the kernel's log:", *(f"  {line}" for line in bug)] == first[:3]
    assert [SERIAL] == [block[0] for block in watched_text.last_output(near)]


def test_text_of_the_guest_is_escaped_and_bounded() -> None:
    lines = ("\x1b]0;title\x07", "\u202e", *("\xff" * 400 for _ in range(50)))
    shown = watched_text.last_output(PANICKED._replace(serial=lines, log=lines))

    assert 1 == len(shown)
    assert 1 + watched_text.LINES_SHOWN == len(shown[0])
    assert {2 + 4 * watched_text.MAX_SHOWN} == set(map(len, shown[0][1:]))
    assert "\\x1b]0;title\\x07" in watched_text.last_output(PANICKED._replace(serial=lines[:2], log=None))[0][1]
    assert all(line.isascii() and line.isprintable() for block in shown for line in block)


@pytest.mark.parametrize("ended", WATCH_ENDS)
def test_every_end_has_words_and_only_a_console_has_no_place(ended: str) -> None:
    line = watched_text.ending(PANICKED._replace(ended=ended, message="a\x1b"))

    assert (ended != "console") == (" at 0x1000 setup_arch+0x5c4" in line)
    assert (ended == "panicked") == line.endswith(': "a\\x1b"')


@pytest.mark.parametrize(("ended", "is_shown"), [("panicked", True), ("console", False), ("time", True)])
def test_the_log_is_shown_unless_the_kernel_started_its_console(ended: str, is_shown: bool) -> None:
    run = build.boot()._replace(outcome=Outcome("e820", "done", watched=PANICKED._replace(ended=ended)))

    assert [is_shown] * 2 == [LOG in text for text in (run_text.document(run), run_text.report(run))]
