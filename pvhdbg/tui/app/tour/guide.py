"""The keys of the tour: which card comes next, and what the machine does for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from pvhdbg import state_files
from pvhdbg.boot.stop import stages
from pvhdbg.named_tuple import NamedTuple
from pvhdbg.tui.app.tour import place
from pvhdbg.tui.draw import frame
from pvhdbg.tui.draw.tour import card
from pvhdbg.tui.events import events
from pvhdbg.tui.screen import state
from pvhdbg.tui.screen.tour import FILE

if TYPE_CHECKING:
    from collections.abc import Callable

    from pvhdbg.boot.run.entry_changes import EntryChanges
    from pvhdbg.live.debuggee.debuggee import Debuggee, Position
    from pvhdbg.tui.draw.layout import Size
    from pvhdbg.tui.machine.worker import Worker
    from pvhdbg.tui.screen.state import Screen
    from pvhdbg.tui.screen.tour import Tour


class Boots(NamedTuple):
    """Where the tour's boots come from, by name: what a machine changes at the entry, or the screen of a recording."""

    changes: Callable[[str], EntryChanges] | None = None
    recorded: Callable[[str], Screen] | None = None


class Ui(Protocol):
    """What the guide needs from the application."""

    @property
    def screen(self) -> Screen: ...

    @property
    def worker(self) -> Worker | None: ...

    @property
    def size(self) -> Size: ...

    def show(self, screen: Screen) -> None: ...

    def say(self, message: str) -> None: ...

    def emit(self, event: events.Event) -> None: ...


class Guide:
    """Goes from card to card."""

    def __init__(self, ui: Ui, boots: Boots) -> None:
        self._ui = ui
        self._boots = boots
        self.handlers: dict[str, Callable[[], None]] = {
            "tour-next": self._next,
            "tour-back": self._back,
            "tour-show": self._show,
            "tour-hide": self._hide,
        }

    def begin(self) -> None:
        """Go to the first card that is shown."""
        if self._ui.screen.tour is not None:
            self._go(self._ui.screen.tour)

    def scroll(self, lines: int) -> None:
        """Scroll the card."""
        tour, (count, width) = self._ui.screen.tour, self._card_size()
        if tour is not None:
            last = card.last_top(self._ui.screen, count, width)
            self._ui.show(self._ui.screen._replace(tour=tour._replace(top=min(max(tour.top + lines, 0), last))))

    def _next(self) -> None:
        """Show more of the card, then the answer to its question, then the next card."""
        screen, tour, (lines, width) = self._ui.screen, self._ui.screen.tour, self._card_size()
        if tour is None:
            return
        if tour.top < card.last_top(screen, lines, width):
            self.scroll(max(lines - 1, 1))
        elif tour.is_asking:
            before = len(card.whole(screen, width))
            answered = screen._replace(tour=tour._replace(is_answered=True))
            last = card.last_top(answered, lines, width)
            self._ui.show(answered._replace(tour=tour._replace(is_answered=True, top=min(last, before))))
        else:
            self._move(1)

    def _back(self) -> None:
        """Show the beginning of the card or, if it is shown, the card before."""
        tour = self._ui.screen.tour
        if tour is not None and tour.top:
            self.scroll(-tour.top)
        else:
            self._move(-1)

    def _card_size(self) -> tuple[int, int]:
        return frame.card_size(self._ui.screen, *self._ui.size)

    def _move(self, step: int) -> None:
        tour = self._ui.screen.tour
        moved = tour.moved(step) if tour else None
        if moved is None:
            self._ui.say("this is the end of the tour" if step > 0 else "this is the first card")
            return
        name = moved.chapters[moved.chapter].name
        state_files.save(FILE, {**state_files.load(FILE), "chapter": name, "card": moved.card})
        self._go(moved)

    def _show(self) -> None:
        """Show the card, give it the focus, and go to its place again."""
        tour = self._ui.screen.tour
        if tour is not None:
            self._ui.show(self._ui.screen._replace(focus=state.CARD))
            self._go(tour._replace(is_hidden=False))

    def _hide(self) -> None:
        tour, screen = self._ui.screen.tour, self._ui.screen
        if tour is not None:
            focus = state.VIEW if screen.focus == state.CARD else screen.focus
            hidden = screen._replace(tour=tour._replace(is_hidden=True), focus=focus)
            self._ui.show(hidden._replace(message="the tour is hidden: t shows it again"))

    def _go(self, tour: Tour) -> None:
        """Show a card, and what it is about. If the machine has to run first, the card's place follows then."""
        screen = self._ui.screen._replace(tour=tour)
        if card.is_reached(screen):
            self._ui.show(place.show(screen))
        elif self._ui.worker is None:
            self._ui.show(place.show(self._recorded(screen, tour)))
        else:
            self._ui.show(screen._replace(tour=tour._replace(awaits=True, has_run=False)))
            self._run(self._ui.worker, tour)

    def _recorded(self, screen: Screen, tour: Tour) -> Screen:
        """Return the screen with the recording of the card's boot."""
        if self._boots.recorded is None:
            return screen
        other = self._boots.recorded(tour.shown.boot)
        kept = {name: getattr(screen, name) for name in ("focus", "zoomed", "ascii", "theme", "columns", "output")}
        return other._replace(tour=tour._replace(boot=tour.shown.boot), **kept)

    def _run(self, worker: Worker, tour: Tour) -> None:
        """Let the machine run to the card's stage, in a new boot if the card is about another one.

        The first stop comes without being asked for.
        """
        shown, changes = tour.shown, self._boots.changes
        if tour.boot == shown.boot and not self._ui.screen.history and shown.stage in stages.NAMES[:2]:
            return
        stage = shown.stage if shown.stage in stages.NAMES else stages.NAMES[-1]
        if self._ui.screen.run.kind == state.RUNNING:
            worker.interrupt()
        if tour.boot == shown.boot and self._ui.screen.run.kind not in (state.DEAD, state.ENDED):
            worker.submit("tour", lambda debuggee: self._to_stage(worker, debuggee, (shown.boot, stage)))
        elif changes is not None:
            worker.submit("tour", lambda debuggee: self._boot(worker, debuggee, (shown.boot, stage)))

    def _to_stage(self, worker: Worker, debuggee: Debuggee, goal: tuple[str, str]) -> Position:
        """Run to a stage or, if the guest has passed it without being captured there, boot again.

        The machine's thread calls this.
        """
        is_ahead = any(stage.name == goal[1] for stage in debuggee.journey.stages_ahead())
        if not is_ahead and self._boots.changes is not None:
            return self._boot(worker, debuggee, goal)
        return self._run_there(goal[1], lambda: debuggee.to_stage(goal[1]))

    def _boot(self, worker: Worker, debuggee: Debuggee, goal: tuple[str, str]) -> Position:
        """Start the guest afresh with the changes of a boot at the entry. The machine's thread calls this."""
        if self._boots.changes is not None:
            debuggee.changes = self._boots.changes(goal[0])
        self._ui.emit(events.TourBoot(goal[0]))
        return self._run_there(goal[1], lambda: worker.boot_to(debuggee, goal[1]))

    def _run_there(self, stage: str, step: Callable[[], Position]) -> Position:
        """Run the guest; after this, the card does not wait any more, even if the guest did not get to its stage."""
        try:
            return step()
        finally:
            self._ui.emit(events.TourRan(stage))
