"""Runs the actions of keys, and the lines that the user types."""

from __future__ import annotations

import base64
import os
import re
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from prompt_toolkit.application import run_in_terminal
from prompt_toolkit.document import Document

from pvhdbg.errors import PvhdbgError
from pvhdbg.lazy_pattern import pattern
from pvhdbg.tui.app import actions, mouse, prompt
from pvhdbg.tui.app.colors import use_colors
from pvhdbg.tui.app.files import saved, settings
from pvhdbg.tui.app.files.settings import Settings
from pvhdbg.tui.app.popups import panel
from pvhdbg.tui.app.selection import selected_row
from pvhdbg.tui.app.tour.card_letters import CardLetters
from pvhdbg.tui.app.tour.guide import Boots, Guide
from pvhdbg.tui.draw import legend, targets, whole_view
from pvhdbg.tui.draw.popups import palette
from pvhdbg.tui.draw.popups.kinds import QUIT
from pvhdbg.tui.events import steps
from pvhdbg.tui.events.news import show_new
from pvhdbg.tui.machine import terminal
from pvhdbg.tui.screen import state
from pvhdbg.tui.screen.scrollback import add_gdb_output
from pvhdbg.tui.screen.state import Popup

if TYPE_CHECKING:
    from collections.abc import Callable

    from prompt_toolkit.buffer import Buffer

    from pvhdbg.tui.draw.layout import Size
    from pvhdbg.tui.events import events
    from pvhdbg.tui.lines.line import Line
    from pvhdbg.tui.machine.worker import Worker
    from pvhdbg.tui.screen.state import Screen

_ALIVE = (state.STARTING, state.RUNNING, state.STOPPED)
_STEP = pattern(r"\s*(?:pvh\s+)?trace\s+([0-9][0-9,]{0,12})\s*", re.ASCII)
ONLY_IN_SHELL = pattern(
    r"\s*(?:pvh(?:dbg)?\s+)?(tour|lab|handout|transplant|manual|doctor|picture|report|guest|gdb-script)\b.*"
)
"""A line with a command of the shell. Neither gdb nor the table of `pvh` commands has one of these names."""
LONGEST_COPY = 60
"""Characters of the copied text that the message shows."""


class Ui(Protocol):
    """What the dispatcher needs from the application."""

    @property
    def screen(self) -> Screen: ...

    @property
    def worker(self) -> Worker | None:
        """None for a recording."""
        ...

    @property
    def size(self) -> Size:
        """The size of the panes."""
        ...

    @property
    def line(self) -> Buffer:
        """The line being typed at the prompt."""
        ...

    def lines(self) -> list[Line]:
        """Return the lines of the screen."""
        ...

    def show(self, screen: Screen) -> None:
        """Make this the current screen."""
        ...

    def say(self, message: str) -> None:
        """Show a message until the next key."""
        ...

    def emit(self, event: events.Event) -> None:
        """Queue an event."""
        ...

    def leave(self) -> None:
        """End the application."""
        ...

    def write_to_terminal(self, data: str) -> None:
        """Send characters to the terminal as they are."""
        ...

    def protect_terminal(self, *, protected: bool) -> None:
        """Choose whether the terminal is restored if pvhdbg is killed."""
        ...


class Dispatcher:
    """Runs actions by name. `answer` runs the prompt's lines if there is no machine, and returns their output.

    `boots` are the boots of the tour, if the user takes it.
    """

    def __init__(self, ui: Ui, answer: Callable[[str], str] | None, boots: Boots | None = None) -> None:
        self.has_mouse = settings.load().mouse
        self._ui = ui
        self._answer = answer
        self._last_line = ""
        self.guide = Guide(ui, boots or Boots())
        self.card_letters = CardLetters(ui, self.act)
        self.handlers: dict[str, Callable[[], None]] = {
            "restart": lambda: self._ask_worker(lambda worker: worker.restart()),
            "next-stage": self._next_stage,
            "back-step": lambda: self._ask_worker(lambda worker: worker.step_back()),
            "back-stage": self._stage_before,
            "breakpoint": self._toggle_breakpoint,
            "interrupt": self._interrupt,
            "quit": self._quit,
            "leave": ui.leave,
            "copy": self._copy,
            "who": lambda: self._ask_about_row("who"),
            "back-store": self._back_to_store,
            "palette-run": self._run_chosen,
            "zoom": self._zoom,
            "copy-view": self._copy_view,
            "mouse": self._toggle_mouse,
            "complete": self._complete,
            "suspend": self._suspend,
            **{verb: self._resume(verb) for verb in ("continue", "next", "step", "stepi", "finish")},
        }
        """The actions that change more than the screen: the machine, the terminal or the application."""
        self.handlers.update(self.guide.handlers)

    def act(self, name: str) -> None:
        """Run the action of a key."""
        if name.startswith(("type ", "try ")):
            self.card_letters.act(name)
        elif name.startswith("popup-type "):
            self.act("popup-close")
            self._ui.line.insert_text(name.removeprefix("popup-type "))
        elif name in self.handlers and not (self._ui.screen.trace and name in steps.MOVES):
            self.handlers[name]()
        else:
            self._ui.show(self._acted(name))

    def run_line(self, text: str) -> None:
        """Run what was typed at the prompt: one line, or several pasted lines."""
        for line in text.splitlines() or [""]:
            self._run_line(prompt.typed(line))

    def submit_entry(self, text: str) -> None:
        """Use a line typed after `:` or `/`, or the name of the file to which the screen is saved."""
        entry = self._ui.screen.entry
        if entry is not None and entry.kind == actions.SAVE:
            self.act("entry-close")
            self._save_screen(text.strip())
            return
        self._ui.show(actions.submit_entry(self._ui.screen, text))

    def _save_screen(self, name: str) -> None:
        """Save the screen to a new file: as a picture if its name ends in .svg, otherwise as text."""
        if not name:
            return
        lines = self._ui.lines()
        is_picture = name.lower().endswith(".svg")
        content = saved.svg(lines, name, has_colors=use_colors()) if is_picture else saved.text(lines)
        try:
            with Path(name).expanduser().open("x", encoding="utf-8") as file:
                file.write(content)
        except FileExistsError:
            self._ui.say(f"{name}: file exists; choose another name")
        except (OSError, RuntimeError, ValueError) as error:
            self._ui.say(f"{name}: {getattr(error, 'strerror', None) or error}")
        else:
            self._ui.say(f"saved: {name}")

    def request_completions(self, text: str, answer: Callable[[list[str]], None]) -> None:
        """Ask gdb for the completions of `text`. While gdb can't answer, there are none."""
        worker, screen = self._ui.worker, self._ui.screen
        if worker is None or screen.run.kind != state.STOPPED or screen.reads_lines:
            answer([])
        else:
            worker.complete(text, answer)

    def _run_line(self, line: str) -> None:
        worker, reads_lines = self._ui.worker, self._ui.screen.reads_lines
        if (other := ONLY_IN_SHELL.fullmatch(line)) and not reads_lines:
            self._ui.say(f"`{other[1]}` is a command of the shell: quit (Ctrl-Q), then type `pvhdbg {other[1]}`")
            return
        if not reads_lines:
            self._ui.show(panel.asked(self._ui.screen, line))  # the prompt prints it too
            line = line if line.strip() else prompt.repeated(self._last_line)
            self._last_line = line
        if worker is None:
            self._answer_line(line)
        elif line.strip() or reads_lines:
            self._ui.show(self._ui.screen._replace(output_top=None))
            worker.line(line)

    def _answer_line(self, line: str) -> None:
        """Run a line without a machine, and show its output."""
        if not line.strip() or self._answer is None:
            return
        from pvhdbg.live.gdb import console

        if line.split(maxsplit=1)[0] in ("q", "quit", "exit"):
            self._ui.leave()
            return
        if (step := _STEP.fullmatch(line)) and self._ui.screen.trace:
            self._ui.show(steps.show_step(self._ui.screen, int(step[1].replace(",", ""))))
            return
        try:
            output = self._answer(console.pvh_command(line) or line)
        except PvhdbgError as error:
            output = f"{error}" + (f" (hint: {error.hint})" if error.hint else "")
        screen = self._ui.screen
        self._ui.show(
            screen._replace(output=add_gdb_output(screen.output, f"(pvh) {line}\n{output}\n"), output_top=None)
        )

    def _acted(self, name: str) -> Screen:
        """Return the screen after a key that changes only the screen, and note that the user chose the view."""
        screen = actions.act(name, self._ui.screen, self._ui.size)
        is_chosen = name.startswith("view ") or screen.view != self._ui.screen.view
        return screen._replace(is_view_chosen=True) if is_chosen else screen

    def _next_stage(self) -> None:
        """Run to the next stage; in a recording, show the next captured one. With none ahead, the guest runs on."""
        screen, worker = self._ui.screen, self._ui.worker
        if worker is not None and screen.run.kind == state.RUNNING and screen.stages and not legend.next_stage(screen):
            self._ui.say("no stages left: the guest runs on")
        elif worker is not None:
            worker.next_stage()
        elif self._ui.screen.past is None:
            self._ui.say("no later stage was captured")
        else:
            self._ui.show(show_new(self._acted("later-stage")))

    def _stage_before(self) -> None:
        """Go back to the last captured stage; in a recording with a trace, show it."""
        if self._ui.screen.trace:
            self.act("earlier-stage")
        else:
            self._ask_worker(lambda worker: worker.back())

    def _ask_worker(self, request: Callable[[Worker], None]) -> None:
        if self._ui.worker is None:
            self._ui.say("no machine to run: this is a recording")
        else:
            request(self._ui.worker)

    def _resume(self, verb: str) -> Callable[[], None]:
        return lambda: self._ask_worker(lambda worker: worker.resume(verb))

    def _toggle_breakpoint(self) -> None:
        place, refusal = selected_row.breakpoint_place(self._ui.screen)
        if refusal and self._ui.worker is not None:
            self._ui.say(refusal)
        else:
            self._ask_worker(lambda worker: worker.breakpoint(place))

    def _interrupt(self) -> None:
        """Handle Ctrl-C: stop the guest or gdb's command; if neither is running, clear the line being typed."""
        worker, line = self._ui.worker, self._ui.line
        if worker is not None and worker.interrupt():
            line.cancel_completion()
        elif self._ui.screen.entry is not None:
            self.act("entry-close")
        else:
            line.reset()

    def _quit(self) -> None:
        """Quit, but ask first if quitting kills the guest."""
        screen = self._ui.screen
        if screen.is_own_machine and screen.run.kind in _ALIVE:
            self._ui.show(screen._replace(popup=Popup(QUIT)))
        else:
            self._ui.leave()

    def _copy(self) -> None:
        """Copy the selected row with OSC 52, which lets the terminal put the text on the clipboard, even over ssh."""
        text = selected_row.selected_text(self._ui.screen)
        self._to_clipboard(text, text[:LONGEST_COPY] + ("…" if len(text) > LONGEST_COPY else ""))

    def _copy_view(self) -> None:
        """Copy all rows or lines of the view."""
        lines = whole_view.lines(self._ui.screen)
        self._to_clipboard("\n".join(lines), f"{len(lines)} lines of {self._ui.screen.view}")

    def _to_clipboard(self, text: str, described: str) -> None:
        if not text:
            self._ui.say("nothing to copy")
            return
        self._ui.write_to_terminal(f"\x1b]52;c;{base64.b64encode(text.encode()).decode()}\x07")
        self._ui.say(f"copied: {described}")

    def _ask_about_row(self, command: str) -> None:
        """Run a command about the bytes of the selected row, as if the user had typed it at the prompt."""
        asked = selected_row.asked_about(self._ui.screen)
        if asked:
            self._ui.show(self._ui.screen._replace(focus=state.OUTPUT if command == "who" else self._ui.screen.focus))
            self._run_line(f"pvh {command} {asked}")
        else:
            self._ui.say("this row has no bytes")

    def _back_to_store(self) -> None:
        if self._ui.screen.trace:
            self._ui.show(selected_row.back_to_store(self._ui.screen))
        else:
            self._ui.show(selected_row.seek(self._ui.screen))
            self._ask_about_row("back")

    def _run_chosen(self) -> None:
        """Do what the selected item of the palette stands for. A command is typed at the prompt, to be completed."""
        shown = self._ui.screen.popup
        item = palette.chosen(self._ui.screen, shown) if shown else None
        if item is None:
            return
        self.act("popup-close")
        if item.action.startswith(palette.EXPLAIN):
            self._ui.show(panel.show(self._ui.screen, item.action.removeprefix(palette.EXPLAIN)))
        elif item.action.startswith(palette.COMMAND):
            self._ui.line.set_document(Document(item.action.removeprefix(palette.COMMAND)))
            self.act("focus-prompt")
        else:
            self.act(item.action)

    def use_mouse(self, kind: str, column: int, line: int) -> None:
        """Handle a click or the wheel in the panes."""
        screen, size, place = self._ui.screen._replace(message=""), self._ui.size, (column, line)
        if kind != mouse.CLICK:
            self._ui.show(mouse.wheel(screen, size, kind, place))
            return
        clicked, action = mouse.click(screen, size, place)
        self._ui.show(clicked)
        if action:
            self.act(action)

    def click_legend(self, kind: str, column: int, _line: int) -> None:
        """Do what the clicked key does."""
        action = targets.key_action(self._ui.screen, self._ui.size.width, column)
        if kind == mouse.CLICK and action and self._ui.screen.popup is None:
            self.act(action)

    def _toggle_mouse(self) -> None:
        self.has_mouse = not self.has_mouse
        self._remember()
        on = "mouse on: click tabs, stages, rows and keys; Shift selects text"
        self._ui.say(on if self.has_mouse else "mouse off: the terminal selects text")

    def _zoom(self) -> None:
        self._ui.show(actions.zoom(self._ui.screen))
        self._remember()

    def _remember(self) -> None:
        """Keep the settings for the next session."""
        settings.save(Settings(self.has_mouse, self._ui.screen.zoomed))

    def _complete(self) -> None:
        """Handle Tab at the prompt: complete the line, or move the focus if the line is empty."""
        line = self._ui.line
        if not line.text:
            self.act("focus-next")
        elif line.complete_state:
            line.complete_next()
        else:
            line.start_completion(insert_common_part=True)

    def _suspend(self) -> None:
        """Stop pvhdbg as Ctrl-Z does. Until it continues, the terminal belongs to the shell."""

        def stop() -> None:
            self._ui.protect_terminal(protected=False)
            os.kill(0, signal.SIGTSTP)
            terminal.wait_foreground()
            self._ui.protect_terminal(protected=True)

        run_in_terminal(stop)
