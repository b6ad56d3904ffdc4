"""Events to screens, requests to their order, keys to screens: all pure."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator

import pytest

from pvhdbg.live.debuggee.code import Code, CodeLine
from pvhdbg.tui.app import actions, prompt
from pvhdbg.tui.app.actions import Size
from pvhdbg.tui.app.prompt_label import label
from pvhdbg.tui.events import events, update
from pvhdbg.tui.events.update import looking
from pvhdbg.tui.machine.requests import LINE, OURS, STEP, Requests
from pvhdbg.tui.screen import state
from pvhdbg.tui.screen.state import Bytes, Popup, Run, Screen, Shown, StageMark, Title, Wanted
from tests import build
from tests.tui import screens

SIZE = Size(80, 22)
MANY = 1000
PREPARE, BOOTPARAMS = (screens.at(name) for name in ("prepare", "bootparams"))


def stopped(screen: Screen, run: Run | None = None) -> events.Stopped:
    """The event that made a screen."""
    assert screen.now is not None
    return events.Stopped(run or screen.run, screen.now, screen.history, screen.stages)


def after(screen: Screen, *happened: events.Event) -> Screen:
    for each in happened:
        screen = update.update(screen, each)
    return screen


def test_a_stop_shows_what_is_there_and_what_changed_since_the_stage_before() -> None:
    screen = after(Screen(Title("vmlinux", "microvm")), stopped(PREPARE), stopped(BOOTPARAMS))

    assert ("bootparams", BOOTPARAMS.now) == (screen.run.where, screen.now)
    assert screen.before == BOOTPARAMS.before


def test_what_a_command_changes_where_the_machine_stands_is_marked_with_what_was_there() -> None:
    guest = build.linux_guest()
    before = guest.at("entry")
    guest.put(build.START_INFO + 8, b"\7")
    changed = guest.at("entry")
    run = Run(state.STOPPED, "entry", rip=0x1000850)
    screen = after(
        Screen(Title("vmlinux", "microvm")),
        events.Stopped(run, before, (before,), ()),
        events.Stopped(run, changed, (changed,), ()),
    )

    assert {"start_info.flags": 0} == screen.before


def test_a_stop_elsewhere_leaves_the_past_and_a_command_that_moves_nothing_does_not() -> None:
    looking = PREPARE._replace(past=0)

    assert 0 == after(looking, stopped(PREPARE)).past
    assert None is after(looking, stopped(BOOTPARAMS)).past


def test_a_stop_keeps_the_message_and_the_bytes_are_read_again() -> None:
    screen = after(PREPARE._replace(message="why", bytes=Bytes(0x1000, b"1")), stopped(BOOTPARAMS))

    assert ("why", Wanted("", 0, 0x1000)) == (screen.message, screen.wanted)


def test_a_death_brings_its_findings_and_says_how_and_where() -> None:
    dead = Run(state.DEAD, "triple-fault", how="triple fault", rip=0xFFFFFFFF8305A2A8, symbol="xen_prepare_pvh+0xa9")
    screen = after(BOOTPARAMS, stopped(BOOTPARAMS, dead))

    assert state.FINDINGS == screen.view
    assert "the guest died: triple fault; rip 0xffffffff8305a2a8 xen_prepare_pvh+0xa9" == screen.message
    assert f"pvhdbg: {screen.message}" in screen.output
    assert state.CPU == after(screen._replace(view=state.CPU), stopped(BOOTPARAMS, dead)).view


def test_a_machine_that_was_started_again_has_no_past_and_an_empty_console() -> None:
    dead = BOOTPARAMS._replace(run=Run(state.DEAD), view=state.FINDINGS, serial=("old",), past=0, symbols=state.LOADED)
    screen = after(dead, events.Began(Title("vmlinux", "q35"), None, (), True))

    assert ((), None, None, (), state.START_INFO) == (
        screen.history,
        screen.now,
        screen.past,
        screen.serial,
        screen.view,
    )
    assert (state.STARTING, True, state.LOADED) == (screen.run.kind, screen.ours, screen.symbols)


def test_while_it_runs_no_stage_is_where_it_stands() -> None:
    screen = after(PREPARE._replace(stages=(StageMark("prepare", state.HERE),)), events.Ran(5.0))

    assert (Run(state.RUNNING, "prepare", 5.0), state.PASSED) == (screen.run, screen.stages[0].status)


def test_a_dead_guest_does_not_run() -> None:
    dead = PREPARE._replace(run=Run(state.DEAD))

    assert dead == after(dead, events.Ran(5.0))


def test_a_machine_that_is_lost_keeps_what_was_seen() -> None:
    screen = after(PREPARE, events.Lost("gdb was killed by SIGKILL"))

    assert (PREPARE.now, state.ENDED, "gdb was killed by SIGKILL") == (screen.now, screen.run.kind, screen.message)


def test_memory_that_comes_when_another_stage_is_looked_at_is_not_taken_for_its() -> None:
    there = events.Peeked(Bytes(0x1000, b"past"), PREPARE.history[0])
    past = looking(PREPARE, 0)

    assert b"past" == after(past, there).bytes.data
    assert b"now" == after(PREPARE, events.Peeked(Bytes(0x1000, b"now"))).bytes.data
    assert b"" == after(PREPARE, there).bytes.data
    assert b"" == after(past, events.Peeked(Bytes(0x1000, b"now"))).bytes.data


def test_text_that_is_printed_piece_by_piece_is_one_event() -> None:
    printed: list[events.Event] = [
        events.Printed("a"),
        events.Printed("b"),
        events.Wrote(b"c"),
        events.Wrote(b"d"),
        events.Queued(1),
    ]

    assert [events.Printed("ab"), events.Wrote(b"cd"), events.Queued(1)] == list(update.merged(printed))


def test_a_hint_follows_what_is_said() -> None:
    screen = after(PREPARE, events.Said("no", "try yes"))

    assert "no (hint: try yes)" == screen.message
    assert ("pvhdbg: no (hint: try yes)", "") == screen.output


@pytest.mark.parametrize(
    ("words", "fields"),
    [
        ("(gdb) ", {}),
        ("(gdb, loading symbols) ", {"symbols": state.LOADING, "busy": True}),
        ("(gdb, loading symbols, 2 queued) ", {"symbols": state.LOADING, "queued": 2}),
        ("(gdb, busy) ", {"busy": True}),
        ("(running) ", {"run": Run(state.RUNNING), "busy": True}),
        ("(running, 1 queued) ", {"run": Run(state.RUNNING), "queued": 1}),
        ("> ", {"continued": True, "busy": True}),
        ("(starting) ", {"run": Run()}),
        ("(no machine) ", {"run": Run(state.ENDED)}),
        ("(pvh) ", {"run": Run(state.RECORDING)}),
        ("(gdb) ", {"run": Run(state.DEAD)}),
    ],
)
def test_the_prompt_says_who_reads_it_and_what_it_waits_for(words: str, fields: dict[str, object]) -> None:
    assert words == label(PREPARE._replace(**fields))  # type: ignore[arg-type]  # as the table says


@pytest.mark.parametrize(("line", "again"), [("p 1", "p 1"), ("x/4gx $rsp", "x"), ("list 9", "list"), ("", "")])
def test_an_empty_line_repeats_what_gdb_would_repeat(line: str, again: str) -> None:
    assert again == prompt.repeated(line)


def rows_of_bytes(count: int) -> Screen:
    shown = Bytes(0x1000, bytes(16 * count), None, "", (0x1000, 0x1008))
    return PREPARE._replace(view=state.BYTES, focus=state.VIEW, bytes=shown)


def test_memory_goes_on_beyond_the_ends_of_what_is_shown() -> None:
    top, bottom = rows_of_bytes(4), rows_of_bytes(4).at(3)

    assert Wanted("", 0, 0xFF0) == actions.act("up", top, SIZE).wanted
    assert Wanted("", 0, 0x1010) == actions.act("down", bottom, SIZE).wanted
    assert (None, 1) == (actions.act("down", top, SIZE).wanted, actions.act("down", top, SIZE).here.cursor)
    assert (None, 3) == (actions.act("last", bottom, SIZE).wanted, actions.act("last", bottom, SIZE).here.cursor)
    assert None is actions.act("up", top._replace(bytes=Bytes(0, bytes(64))), SIZE).wanted


def test_the_code_is_scrolled_from_where_rip_is() -> None:
    lines = tuple(CodeLine(f"nop {at}", 0x1000 + at, current=at == 20) for at in range(40))
    screen = PREPARE._replace(view=state.CODE, focus=state.VIEW, code=Code("code", lines))

    assert 21 == actions.act("down", screen, SIZE).here.cursor
    assert 0x1014 == actions.place(screen)
    assert 0x1015 == actions.place(actions.act("down", screen, SIZE))


def test_a_breakpoint_belongs_to_a_line_of_source_or_an_instruction_and_nowhere_else() -> None:
    source = PREPARE._replace(view=state.CODE, code=Code("/src/pvh.c", (CodeLine("int x;", None, 1, current=True),)))

    assert ("/src/pvh.c", 1) == actions.place(source)
    assert None is actions.place(source._replace(view=state.CPU))
    assert None is actions.place(source._replace(code=Code(why="no code")))


def test_a_stop_shows_the_code_at_rip_again() -> None:
    screen = BOOTPARAMS._replace(shown={state.CODE: Shown(3), state.CPU: Shown(5)})

    assert {state.CPU: Shown(5)} == after(screen, stopped(PREPARE)).shown


def test_output_scrolls_by_what_is_to_be_seen_of_it() -> None:
    screen = PREPARE._replace(output=tuple(map(str, range(100))))
    up = actions.act("output-up", screen, SIZE)

    assert up.output_top is not None
    assert 90 < up.output_top < 96
    assert None is actions.act("output-down", up, SIZE).output_top
    assert 0 == actions.act("first", screen._replace(focus=state.OUTPUT), SIZE).output_top


def test_a_popup_scrolls_between_its_ends() -> None:
    screen = PREPARE._replace(popup=Popup("help"))
    last = actions.act("popup-last", screen, SIZE).popup

    assert last is not None
    assert 0 < last.top < 100
    assert Popup("help", 1) == actions.act("popup-down", screen, SIZE).popup
    assert Popup("help") == actions.act("popup-up", screen, SIZE).popup


class Asked:
    """Requests, and what was told of them."""

    def __init__(self) -> None:
        self.counts: list[int] = []
        self.done: list[str] = []
        self.requests = Requests(self.counts.append)

    def put(self, *words: str) -> None:
        for each in words:
            self.requests.put(each, lambda each=each: self.done.append(each))  # type: ignore[misc]  # bound now

    def serve(self, times: int) -> None:
        for _ in range(times):
            if request := self.requests.next():
                request.do()


@pytest.fixture
def asked() -> Iterator[Asked]:
    made = Asked()
    yield made
    made.requests.close()


def test_requests_are_done_in_order_and_the_users_are_counted(asked: Asked) -> None:
    asked.put(STEP, OURS, STEP)
    asked.serve(3)

    assert [STEP, OURS, STEP] == asked.done
    assert [1, 1, 2, 1, 1, 0] == asked.counts


def test_ctrl_c_forgets_the_users_requests_and_keeps_ours(asked: Asked) -> None:
    asked.put(STEP, OURS)
    asked.requests.put_line("p 1", lambda: asked.done.append("p 1"))

    assert asked.requests.drop()
    assert not asked.requests.drop()

    asked.serve(1)
    assert [OURS] == asked.done
    assert None is asked.requests.take_line()


@pytest.fixture
def hasty() -> Iterator[None]:
    """Threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("hasty")
def test_what_threads_ask_for_at_once_is_counted(asked: Asked) -> None:
    threads = [threading.Thread(target=asked.put, args=(STEP,) * MANY) for _ in range(2)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    assert list(range(1, 2 * MANY + 1)) == asked.counts


def test_lines_typed_ahead_are_read_by_the_command_that_goes_on_to_its_end(asked: Asked) -> None:
    read: list[str | None] = []

    def command() -> None:
        while (line := asked.requests.take_line() or "") and line == "python":
            while (more := asked.requests.read_line(lambda _waits: None)) != "end":
                read.append(more)

    for line in ("python", "print(1)", "end", "other"):
        asked.requests.put_line(line, command)
    asked.serve(1)

    assert ["print(1)"] == read
    assert 0 == asked.counts[-1]


def test_a_command_that_waits_for_lines_can_be_given_up(asked: Asked) -> None:
    waits: list[bool] = []

    def told(is_waiting: bool) -> None:
        waits.append(is_waiting)
        if is_waiting:
            asked.requests.give_up()

    assert not asked.requests.give_up()
    assert None is asked.requests.read_line(told)
    assert [True, False] == waits


def test_after_the_end_nothing_is_done_and_nobody_waits(asked: Asked) -> None:
    asked.put(STEP)
    asked.requests.close()

    assert None is asked.requests.next()
    assert None is asked.requests.read_line(lambda _waits: None)
    assert LINE != STEP
