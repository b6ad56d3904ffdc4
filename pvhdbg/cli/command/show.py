"""`pvhdbg show RECORDING`: decode a recording and print it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.boot.record.replay import load
from pvhdbg.cli.command.interactive import has_screen
from pvhdbg.cli.result import Result

if TYPE_CHECKING:
    import argparse


def show(options: argparse.Namespace, greeting: str = "") -> Result:
    """Return the recording as text, or the output of the `-c` commands. On a terminal, --tui opens the TUI instead.

    `greeting` is a line for the user of the TUI.
    """
    document = load(options.recording)
    if options.command:
        from pvhdbg.boot.session.recorded import RecordedSession
        from pvhdbg.cli.answers import answer_all

        answers = answer_all(RecordedSession(document), options.command)
        return Result(answers.text, error=answers.error)
    if options.tui and has_screen():
        from pvhdbg.tui.app import start

        screen = start.recording_screen(document, options.recording.name, ascii=options.ascii, greeting=greeting)
        start.run_recording(document, screen._replace(theme=options.theme))
        return Result()
    from pvhdbg.views.report import run_text

    return Result(run_text.document(document))
