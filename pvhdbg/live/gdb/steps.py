"""gdb's commands for the steps of a user."""

from __future__ import annotations

STEP_BY_LINE, _STEP_INSTRUCTION = "-exec-step", "-exec-step-instruction"
BY_LINE = {"next": "-exec-next", "step": STEP_BY_LINE, "finish": "-exec-finish", "continue": "-exec-continue"}
BY_INSTRUCTION = {"next": "-exec-next-instruction", "step": _STEP_INSTRUCTION, "stepi": _STEP_INSTRUCTION}
STEPPED = "end-stepping-range"
"""Why the guest stops after a step."""
MOST_INLINED = 32
"""The most inlined functions that begin at one instruction. gdb enters each by a step that executes nothing."""
