"""Rules about the kernel's own log."""

from __future__ import annotations

from pvhdbg.boot.record.document import CONSOLE, DONE, PANICKED, RESET, Outcome, Watched
from pvhdbg.checks.case import Case
from tests.checks import cases
from tests.checks.cases import Row, error, info, warning

LOG = "outcome.watched.log"
STAMP = "[    0.123456] "
PANIC, BUG, WARN = (
    f"{STAMP}{text}"
    for text in (
        "Kernel panic - not syncing: Attempted to kill the idle task!",
        "BUG: kernel NULL pointer dereference, address: 0000000000000000",
        "WARNING: CPU: 0 PID: 0 at arch/x86/mm/init.c:9 f+0x1/0x2",
    )
)
NO_ROOT = f"{STAMP}Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)"
QUIET = f"{STAMP}Linux version 6.1.0-57-cloud-amd64"


def logged(*lines: str, ended: str = CONSOLE) -> Case:
    """Return a case of a guest that was watched after the last stage, with these lines in its log."""
    before = cases.bootparams()
    watched = Watched(ended, 100, 0xFFFFFFFF81000000, "f+0x1", log=(QUIET, *lines))
    return Case(before.stop, before.machine, Outcome("e820", DONE, watched=watched))


ROWS = (
    Row("PVH920", lambda: logged(PANIC, ended=RESET), error(LOG), lambda: logged(PANIC, ended=PANICKED)),
    Row("PVH920", lambda: logged(NO_ROOT, ended=RESET), info(LOG), lambda: logged(f"-{NO_ROOT}", ended=RESET)),
    Row(
        "PVH920",
        lambda: cases.watched(RESET, log=(NO_ROOT,), cmdline_paddr=0x123456789),
        info(LOG),
        lambda: cases.watched(PANICKED, log=(NO_ROOT,), cmdline_paddr=0x123456789),
    ),
    Row("PVH921", lambda: logged(BUG), error(LOG), lambda: logged(BUG.replace("BUG:", "DEBUG:"))),
    Row("PVH922", lambda: logged(WARN), warning(LOG), lambda: logged(WARN.replace("WARNING", "warning"))),
)
