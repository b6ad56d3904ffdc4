"""What keys and typed lines do: to the machine, to the terminal, or to the screen alone."""

from __future__ import annotations

import base64
import os
import signal
from typing import TYPE_CHECKING

from prompt_toolkit.application import run_in_terminal

from pvhdbg.errors import PvhdbgError
from pvhdbg.tui.app import actions, prompt
from pvhdbg.tui.draw.popups import QUIT
from pvhdbg.tui.screen import state
from pvhdbg.tui.screen.scrollback import printed
from pvhdbg.tui.screen.state import Popup

if TYPE_CHECKING:
    from collections.abc import Callable

    from pvhdbg.tui.app.app import Tui
    from pvhdbg.tui.machine.worker import Worker

_LIVING = (state.STARTING, state.RUNNING, state.STOPPED)
LONGEST_COPY = 60
"""Characters of what was copied that the message repeats."""


class Dispatcher:
    """`act` is what every key comes to, `run_line` a line typed at the prompt, `enter` one typed in a pane.

    `answer` takes the prompt's lines where there is no machine.
    """

    def __init__(self, tui: Tui, answer: Callable[[str], str] | None) -> None:
        self.has_mouse = False
        self._tui = tui
        self._answer = answer
        self._last_line = ""
        self.effects: dict[str, Callable[[], None]] = {
            "restart": lambda: self._ask_machine(lambda worker: worker.restart()),
            "next-stage": lambda: self._ask_machine(lambda worker: worker.next_stage()),
            "breakpoint": self._breakpoint,
            "interrupt": self._interrupt,
            "quit": self._quit,
            "leave": tui.leave,
            "copy": self._copy,
            "mouse": self._toggle_mouse,
            "complete": self._complete,
            "suspend": self._suspend,
            **{verb: self._resumes(verb) for verb in ("continue", "next", "step", "stepi", "finish")},
        }
        """What keys do to the machine and the terminal, by the action's name."""

    def act(self, name: str) -> None:
        tui = self._tui
        if name in self.effects:
            self.effects[name]()
        else:
            tui.show(actions.act(name, tui.screen, actions.Size(*tui.windows.body.size)))

    def run_line(self, text: str) -> None:
        """What is pasted may be many lines."""
        for line in text.splitlines() or [""]:
            self._run_line("".join(each for each in line.expandtabs() if each.isprintable()))

    def enter(self, text: str) -> None:
        self._tui.show(actions.typed(self._tui.screen, text))

    def ask_completions(self, text: str, answer: Callable[[list[str]], None]) -> None:
        """From gdb, unless it listens to nobody."""
        worker, screen = self._tui.worker, self._tui.screen
        if worker is None or screen.run.kind != state.STOPPED or screen.continued:
            answer([])
        else:
            worker.complete(text, answer)

    def _run_line(self, line: str) -> None:
        worker, continued = self._tui.worker, self._tui.screen.continued
        if not continued:
            line = line if line.strip() else prompt.repeated(self._last_line)
            self._last_line = line
        if worker is None:
            self._tell(line)
        elif line.strip() or continued:
            self._tui.show(self._tui.screen._replace(output_top=None))
            worker.line(line)

    def _tell(self, line: str) -> None:
        """The answer to a line where there is no machine."""
        if not line.strip() or self._answer is None:
            return
        from pvhdbg.live.gdb import console

        if line.split(maxsplit=1)[0] in ("q", "quit", "exit"):
            self._tui.leave()
            return
        try:
            told = self._answer(console.pvh_command(line) or line)
        except PvhdbgError as error:
            told = f"{error}" + (f" (hint: {error.hint})" if error.hint else "")
        screen = self._tui.screen
        self._tui.show(screen._replace(output=printed(screen.output, f"(pvh) {line}\n{told}\n"), output_top=None))

    def _ask_machine(self, ask: Callable[[Worker], None]) -> None:
        if self._tui.worker is None:
            self._tui.say("this is a recording: there is no machine to run")
        else:
            ask(self._tui.worker)

    def _resumes(self, verb: str) -> Callable[[], None]:
        return lambda: self._ask_machine(lambda worker: worker.resume(verb))

    def _breakpoint(self) -> None:
        screen = self._tui.screen
        if screen.view == state.CODE and screen.past is not None and self._tui.worker is not None:
            self._tui.say("this is the past: Right leads back to now, where F9 sets breakpoints")
            return
        place = actions.marked_byte(screen) if screen.view == state.BYTES else actions.place(screen)
        if screen.view == state.BYTES and place is None and self._tui.worker is not None:
            self._tui.say("no virtual address is marked here: `:` goes to a symbol or to v 0x…")
            return
        self._ask_machine(lambda worker: worker.breakpoint(place))

    def _interrupt(self) -> None:
        """Ctrl-C: the guest if it runs, or what gdb is busy with; else what is being typed."""
        tui = self._tui
        if tui.worker is not None and tui.worker.interrupt():
            tui.windows.line.cancel_completion()
        elif tui.screen.entry is not None:
            self.act("entry-close")
        else:
            tui.windows.line.reset()

    def _quit(self) -> None:
        """At once, but asked for once more while a guest of ours lives."""
        screen = self._tui.screen
        if screen.ours and screen.run.kind in _LIVING:
            self._tui.show(screen._replace(popup=Popup(QUIT)))
        else:
            self._tui.leave()

    def _copy(self) -> None:
        """By OSC 52: the terminal puts it on the clipboard, over ssh too."""
        words, output = actions.copied(self._tui.screen), self._tui.app.output
        if not words:
            self._tui.say("nothing to copy")
            return
        output.write_raw(f"\x1b]52;c;{base64.b64encode(words.encode()).decode()}\x07")
        output.flush()
        self._tui.say(f"copied: {words[:LONGEST_COPY]}" + ("…" if len(words) > LONGEST_COPY else ""))

    def _toggle_mouse(self) -> None:
        self.has_mouse = not self.has_mouse
        self._tui.say("the mouse is on: its wheel scrolls" if self.has_mouse else "the mouse is off")

    def _complete(self) -> None:
        """Tab at the prompt; on an empty line there is nothing to complete."""
        line = self._tui.windows.line
        if not line.text:
            self.act("focus-next")
        elif line.complete_state:
            line.complete_next()
        else:
            line.start_completion(insert_common_part=True)

    def _suspend(self) -> None:
        """As a shell expects it of Ctrl-Z. Meanwhile the terminal is the shell's."""
        tui = self._tui

        def stop() -> None:
            tui.keep_terminal(kept=False)
            os.kill(0, signal.SIGTSTP)
            tui.keep_terminal(kept=True)

        run_in_terminal(stop)
