"""How events and keys change the screen, and the order of requests."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator

import pytest

from pvhdbg.live.debuggee.code import Code, CodeLine
from pvhdbg.tui.app import actions, prompt
from pvhdbg.tui.app.prompt_label import prompt_label
from pvhdbg.tui.app.selection import selected_row
from pvhdbg.tui.draw.layout import Size
from pvhdbg.tui.events import events, update
from pvhdbg.tui.events.update import show_stage
from pvhdbg.tui.machine.requests import INTERNAL, LINE, STEP, Requests
from pvhdbg.tui.screen import state
from pvhdbg.tui.screen.state import Bytes, MemoryRequest, Popup, Run, Screen, StageMark, Title, ViewPosition
from pvhdbg.tui.views.shown import selected
from tests import build
from tests.tui import screens

SIZE = Size(80, 22)
MANY = 1000
PREPARE, BOOTPARAMS = (screens.at(name) for name in ("prepare", "bootparams"))


def stopped(screen: Screen, run: Run | None = None) -> events.GuestStopped:
    """Return the event that would make this screen."""
    assert screen.now is not None
    return events.GuestStopped(run or screen.run, screen.now, screen.history, screen.stages)


def after(screen: Screen, *happened: events.Event) -> Screen:
    for event in happened:
        screen = update.update(screen, event)
    return screen


def test_a_stop_shows_its_capture_and_the_changes_since_the_previous_stage() -> None:
    screen = after(Screen(Title("vmlinux", "microvm")), stopped(PREPARE), stopped(BOOTPARAMS))

    assert ("bootparams", BOOTPARAMS.now) == (screen.run.where, screen.now)
    assert screen.old_values == BOOTPARAMS.old_values


def test_a_value_changed_by_a_command_is_marked_with_its_old_value() -> None:
    guest = build.linux_guest()
    before = guest.at("entry")
    guest.put(build.START_INFO + 8, b"\7")
    changed = guest.at("entry")
    run = Run(state.STOPPED, "entry", rip=0x1000850)
    screen = after(
        Screen(Title("vmlinux", "microvm")),
        events.GuestStopped(run, before, (before,), ()),
        events.GuestStopped(run, changed, (changed,), ()),
    )

    assert {"start_info.flags": 0} == screen.old_values


def test_a_stop_leaves_the_past_stage_only_if_the_guest_has_moved() -> None:
    in_past = PREPARE._replace(past=0)

    assert 0 == after(in_past, stopped(PREPARE)).past
    assert None is after(in_past, stopped(BOOTPARAMS)).past


def test_a_stop_keeps_the_message_and_rereads_the_bytes_view() -> None:
    screen = after(PREPARE._replace(message="why", bytes=Bytes(0x1000, b"1")), stopped(BOOTPARAMS))

    assert ("why", MemoryRequest("", 0, 0x1000)) == (screen.message, screen.memory_request)


def test_a_death_opens_the_findings_and_a_message_says_how_and_where() -> None:
    dead = Run(state.DEAD, "triple-fault", how="triple fault", rip=0xFFFFFFFF8305A2A8, symbol="xen_prepare_pvh+0xa9")
    screen = after(BOOTPARAMS, stopped(BOOTPARAMS, dead))

    assert "findings" == screen.view
    assert "the guest died: triple fault; rip 0xffffffff8305a2a8 xen_prepare_pvh+0xa9" == screen.message
    assert f"pvhdbg: {screen.message}" in screen.output
    assert "cpu" == after(screen._replace(view="cpu"), stopped(BOOTPARAMS, dead)).view


def test_a_restarted_machine_has_no_past_stages_and_an_empty_console() -> None:
    dead = BOOTPARAMS._replace(run=Run(state.DEAD), view="findings", serial=("old",), past=0, symbols=state.LOADED)
    screen = after(dead, events.MachineStarted(Title("vmlinux", "q35"), None, (), True))

    assert ((), None, None, (), "start_info") == (
        screen.history,
        screen.now,
        screen.past,
        screen.serial,
        screen.view,
    )
    assert (state.STARTING, True, state.LOADED) == (screen.run.kind, screen.is_own_machine, screen.symbols)


def test_while_the_guest_runs_it_is_at_no_stage() -> None:
    screen = after(PREPARE._replace(stages=(StageMark("prepare", state.HERE),)), events.GuestRuns(5.0))

    assert (Run(state.RUNNING, "prepare", 5.0), state.PASSED) == (screen.run, screen.stages[0].status)


def test_a_dead_guest_is_never_shown_as_running() -> None:
    dead = PREPARE._replace(run=Run(state.DEAD))

    assert dead == after(dead, events.GuestRuns(5.0))


def test_after_gdb_has_exited_the_last_capture_stays() -> None:
    screen = after(PREPARE, events.MachineLost("gdb was killed by SIGKILL"))

    assert (PREPARE.now, state.ENDED, "gdb was killed by SIGKILL") == (screen.now, screen.run.kind, screen.message)


def test_memory_that_arrives_after_a_change_of_stage_is_ignored() -> None:
    there = events.MemoryRead(Bytes(0x1000, b"past"), PREPARE.history[0])
    past = show_stage(PREPARE, 0)

    assert b"past" == after(past, there).bytes.data
    assert b"now" == after(PREPARE, events.MemoryRead(Bytes(0x1000, b"now"))).bytes.data
    assert b"" == after(PREPARE, there).bytes.data
    assert b"" == after(past, events.MemoryRead(Bytes(0x1000, b"now"))).bytes.data


def test_successive_pieces_of_output_are_merged_into_one_event() -> None:
    printed: list[events.Event] = [
        events.GdbOutput("a"),
        events.GdbOutput("b"),
        events.SerialOutput(b"c"),
        events.SerialOutput(b"d"),
        events.QueueLength(1),
    ]

    assert [events.GdbOutput("ab"), events.SerialOutput(b"cd"), events.QueueLength(1)] == list(
        update.merge_output(printed)
    )


def test_a_message_ends_with_its_hint() -> None:
    screen = after(PREPARE, events.Message("no", "try yes"))

    assert "no (hint: try yes)" == screen.message
    assert ("pvhdbg: no (hint: try yes)", "") == screen.output


@pytest.mark.parametrize(
    ("words", "fields"),
    [
        ("(gdb) ", {}),
        ("(gdb, loading symbols) ", {"symbols": state.LOADING, "busy": True}),
        ("(gdb, loading symbols, 2 queued) ", {"symbols": state.LOADING, "queued": 2}),
        ("(gdb, loading symbols 3 s) ", {"symbols": state.LOADING, "symbols_since": 7.0, "clock": 10.5}),
        ("(gdb, busy) ", {"busy": True}),
        ("(gdb, busy 2 s) ", {"busy": True, "work_since": 8.0, "clock": 10.5, "output": ("(gdb) p who",)}),
        ("(gdb, taking a snapshot) ", {"busy": True, "work": "taking a snapshot", "work_since": 10.0, "clock": 10.5}),
        (
            "(gdb, who boots a second guest 9 s) ",
            {"busy": True, "work_since": 1.0, "clock": 10.5, "output": ("(gdb) pvh who magic", "")},
        ),
        ("(running) ", {"run": Run(state.RUNNING), "busy": True}),
        ("(running, 1 queued) ", {"run": Run(state.RUNNING), "queued": 1}),
        ("> ", {"reads_lines": True, "busy": True}),
        ("(starting) ", {"run": Run()}),
        ("(no machine) ", {"run": Run(state.ENDED)}),
        ("(pvh) ", {"run": Run(state.RECORDING)}),
        ("(gdb) ", {"run": Run(state.DEAD)}),
    ],
)
def test_the_prompt_label_shows_what_runs_the_line_and_what_it_waits_for(words: str, fields: dict[str, object]) -> None:
    assert words == prompt_label(PREPARE._replace(**fields))  # type: ignore[arg-type]  # as the table says


@pytest.mark.parametrize(
    ("line", "again"),
    [
        ("p 1", "p 1"),
        ("x/4gx $rsp", "x"),
        ("list 9", "list"),
        ("info line main", "info line"),
        ("xyz", "xyz"),
        ("info lines", "info lines"),
        ("", ""),
    ],
)
def test_an_empty_line_repeats_what_gdb_would_repeat(line: str, again: str) -> None:
    assert again == prompt.repeated(line)


def rows_of_bytes(count: int) -> Screen:
    shown = Bytes(0x1000, bytes(16 * count), None, "", (0x1000, 0x1008))
    return PREPARE._replace(view="bytes", focus=state.VIEW, bytes=shown)


def test_scrolling_past_the_ends_of_the_bytes_view_reads_more_memory() -> None:
    top, bottom = rows_of_bytes(4), rows_of_bytes(4).at(3)

    assert MemoryRequest("", 0, 0xFF0) == actions.act("up", top, SIZE).memory_request
    assert MemoryRequest("", 0, 0x1010) == actions.act("down", bottom, SIZE).memory_request
    assert (None, 1) == (actions.act("down", top, SIZE).memory_request, actions.act("down", top, SIZE).position.cursor)
    assert (None, 3) == (
        actions.act("last", bottom, SIZE).memory_request,
        actions.act("last", bottom, SIZE).position.cursor,
    )
    assert None is actions.act("up", top._replace(bytes=Bytes(0, bytes(64))), SIZE).memory_request


def test_the_code_view_scrolls_from_rip() -> None:
    lines = tuple(CodeLine(f"nop {at}", 0x1000 + at, current=at == 20) for at in range(40))
    screen = PREPARE._replace(view="code", focus=state.VIEW, code=Code("code", lines))

    assert 21 == actions.act("down", screen, SIZE).position.cursor
    assert 0x1014 == selected_row.breakpoint_place(screen).place
    assert 0x1015 == selected_row.breakpoint_place(actions.act("down", screen, SIZE)).place


def test_a_breakpoint_can_be_set_only_at_a_source_line_or_an_instruction() -> None:
    source = PREPARE._replace(
        view="code", code=Code("pvh.c", (CodeLine("int x;", None, 1, current=True, path="/src/pvh.c"),))
    )

    assert ("/src/pvh.c", 1) == selected_row.breakpoint_place(source).place
    assert None is selected_row.breakpoint_place(source._replace(view="cpu")).place
    assert None is selected_row.breakpoint_place(source._replace(code=Code(why="no code"))).place


def test_a_stop_returns_the_code_view_to_rip() -> None:
    screen = BOOTPARAMS._replace(positions={"code": ViewPosition(3), "cpu": ViewPosition(5)})

    assert {"cpu": ViewPosition(5)} == after(screen, stopped(PREPARE)).positions


def test_output_scrolls_by_its_visible_lines() -> None:
    screen = PREPARE._replace(output=tuple(map(str, range(100))))
    up = actions.act("output-up", screen, SIZE)

    assert up.output_top is not None
    assert 90 < up.output_top < 96
    assert None is actions.act("output-down", up, SIZE).output_top
    assert 0 == actions.act("first", screen._replace(focus=state.OUTPUT), SIZE).output_top


CHAIN = (
    "  chain    boot_params.hdr.cmd_line_ptr <- init_pvh_bootparams enlighten.c:77 <- pvh_start_info.cmdline_paddr <- "
    "pvh_start_xen head.S:68 <- start_info.cmdline_paddr+0x4 <- qboot 0xf0ccc"
)


def test_enter_on_a_field_of_a_chain_goes_there_and_backspace_returns() -> None:
    screen = screens.at("bootparams")._replace(output=("  chain    x <- y", CHAIN, "other"), focus=state.OUTPUT)
    opened = actions.act("follow", screen, SIZE)
    down = actions.act("popup-link-down", opened, SIZE)
    last = actions.act("popup-link-down", down, SIZE)
    there = actions.act("popup-follow", actions.act("popup-link-up", last, SIZE), SIZE)
    row = selected(there)

    assert opened == actions.act("chain", screen._replace(focus=state.VIEW), SIZE)._replace(focus=state.OUTPUT)
    chosen = [shown.popup for shown in (opened, down, last, actions.act("popup-link-down", last, SIZE))]
    assert [0, 2, 4, 4] == [popup and popup.selected for popup in chosen]
    assert row is not None
    assert ("pvh_start_info.cmdline_paddr", None, state.VIEW) == (row.path, there.popup, there.focus)
    assert screen.view == actions.act("back", there, SIZE).view
    row = selected(actions.act("popup-follow", last, SIZE))
    assert row is not None
    assert "start_info.cmdline_paddr" == row.path


def test_without_a_chain_or_a_view_of_its_field_there_is_nowhere_to_go() -> None:
    empty = actions.act("chain", PREPARE, SIZE)
    unknown = actions.act("chain", PREPARE._replace(output=("  chain    0xf31e0 <- qboot 0xf0ccc",)), SIZE)

    assert (None, "no chain of `who` in the output: press w on a row first") == (empty.popup, empty.message)
    assert "no view shows 0xf31e0" == actions.act("popup-follow", unknown, SIZE).message


def test_a_popup_scrolls_between_its_ends() -> None:
    screen = PREPARE._replace(popup=Popup("help"))
    last = actions.act("popup-last", screen, SIZE).popup

    assert last is not None
    assert 0 < last.top < 200
    assert Popup("help", 1) == actions.act("popup-down", screen, SIZE).popup
    assert Popup("help") == actions.act("popup-up", screen, SIZE).popup


class Queue:
    """Requests, with the counts that they reported and the kinds that have run."""

    def __init__(self) -> None:
        self.counts: list[int] = []
        self.done: list[str] = []
        self.requests = Requests(lambda count, _first: self.counts.append(count))

    def put(self, *kinds: str) -> None:
        for kind in kinds:
            self.requests.put(kind, lambda kind=kind: self.done.append(kind))  # type: ignore[misc]  # bound now

    def serve(self, times: int) -> None:
        for _ in range(times):
            if request := self.requests.next():
                request.action()


@pytest.fixture
def request_queue() -> Iterator[Queue]:
    queue = Queue()
    yield queue
    queue.requests.close()


def test_requests_run_in_order_and_the_users_requests_are_counted(request_queue: Queue) -> None:
    request_queue.put(STEP, INTERNAL, STEP)
    request_queue.serve(3)

    assert [STEP, INTERNAL, STEP] == request_queue.done
    assert [1, 1, 2, 1, 1, 0] == request_queue.counts


def test_drop_removes_the_users_requests_and_keeps_internal_ones(request_queue: Queue) -> None:
    request_queue.put(STEP, INTERNAL)
    request_queue.requests.put_line("p 1", lambda: request_queue.done.append("p 1"))

    assert request_queue.requests.drop()
    assert not request_queue.requests.drop()

    request_queue.serve(1)
    assert [INTERNAL] == request_queue.done
    assert None is request_queue.requests.take_line()


@pytest.fixture
def fast_switches() -> Iterator[None]:
    """Let Python switch between threads as often as possible."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("fast_switches")
def test_requests_from_several_threads_are_counted_correctly(request_queue: Queue) -> None:
    threads = [threading.Thread(target=request_queue.put, args=(STEP,) * MANY) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert list(range(1, 2 * MANY + 1)) == request_queue.counts


def test_a_multi_line_command_reads_the_lines_typed_ahead(request_queue: Queue) -> None:
    read: list[str | None] = []

    def command() -> None:
        while (line := request_queue.requests.take_line() or "") and line == "python":
            while (more := request_queue.requests.read_line(lambda _waiting: None)) != "end":
                read.append(more)

    for line in ("python", "print(1)", "end", "other"):
        request_queue.requests.put_line(line, command)
    request_queue.serve(1)

    assert ["print(1)"] == read
    assert 0 == request_queue.counts[-1]


def test_a_multi_line_command_that_waits_for_a_line_can_be_canceled(request_queue: Queue) -> None:
    waits: list[bool] = []

    def on_wait(is_waiting: bool) -> None:
        waits.append(is_waiting)
        if is_waiting:
            request_queue.requests.cancel_reading()

    assert not request_queue.requests.cancel_reading()
    assert None is request_queue.requests.read_line(on_wait)
    assert [True, False] == waits


def test_after_close_no_request_runs_and_no_reader_waits(request_queue: Queue) -> None:
    request_queue.put(STEP)
    request_queue.requests.close()

    assert None is request_queue.requests.next()
    assert None is request_queue.requests.read_line(lambda _waiting: None)
    assert LINE != STEP


def test_the_first_waiting_request_is_reported_by_its_key_or_line() -> None:
    reported: list[tuple[int, str]] = []
    requests = Requests(lambda count, first: reported.append((count, first)))
    requests.put(INTERNAL, lambda: None)
    requests.put(STEP, lambda: None, "F5")
    requests.put_line("p 1", lambda: None)
    requests.close()

    assert [(0, ""), (1, "F5"), (2, "F5")] == reported[:3]
