"""What the screen imports before its first picture."""

import subprocess
import sys

FIRST = (
    "cli.launch",
    "live.back.going_back",
    "live.debuggee.screen_machine",
    "tui.machine.worker",
    "tui.app.first_picture",
)
"""The modules from which the machine's thread and the screen's thread start."""
LATE = ("capstone", "elftools", "prompt_toolkit", "pygdbmi", "qemu")


def test_no_large_dependency_is_imported_before_the_first_picture() -> None:
    code = f"import sys, pvhdbg.{', pvhdbg.'.join(FIRST)}; print(*(name for name in {LATE} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)

    assert "" == done.stdout.strip()
