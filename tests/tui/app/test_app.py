"""The TUI over recordings of real boots, on a terminal in memory."""

from __future__ import annotations

import base64
import re
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest

from pvhdbg.tui.screen import state
from pvhdbg.tui.screen.state import Run
from tests.paths import RECORDINGS
from tests.tui.apps import SIZES, show


@pytest.mark.parametrize(
    ("name", "size"), [(path.stem, size) for path, size in zip(RECORDINGS, cycle(SIZES), strict=False)]
)
def test_the_first_screen_of_every_recording_fills_the_terminal(name: str, size: tuple[int, int]) -> None:
    with show(size, name) as tui:
        text = tui.wait("F1 help")

    assert size[1] == len(tui.lines)
    assert re.search(r"1\Wstart.*9 serial", text)
    assert "(pvh)" in tui.lines[-2]
    assert tui.error is None


@pytest.mark.parametrize("size", SIZES)
def test_number_keys_choose_views_in_a_pane_and_with_alt_at_the_prompt(size: tuple[int, int]) -> None:
    heads = ("pvh_start_info at", "hvm_modlist_entry[1]", "memory map (memmap)", "struct boot_params", "findings")
    others = ("code", "0x305a1ff physical", "long64", "serial console", "the kernel's log")
    with show(size) as tui:
        for number, words in zip("1234567890", (*heads, *others), strict=True):
            tui.keys(number)
            tui.wait(words)
        tui.keys("Esc")
        tui.until(lambda: tui.screen.focus == state.PROMPT)
        for number, words in zip("1234567890", (*heads, *others), strict=True):
            tui.keys(f"Alt-{number}")
            tui.wait(words)

    assert "log" == tui.screen.view


def test_tab_moves_the_focus_through_all_panes_and_the_legend_follows() -> None:
    with show() as tui:
        tui.keys("Tab")
        tui.until(lambda: tui.screen.focus == state.DETAIL)
        tui.wait("F2: with links")
        tui.keys("Tab")
        tui.until(lambda: tui.screen.focus == state.OUTPUT)
        tui.keys("Tab")
        tui.until(lambda: tui.screen.focus == state.PROMPT)
        tui.wait("Ctrl-R history")
        tui.keys("Tab")
        tui.until(lambda: tui.screen.focus == state.VIEW)
        tui.wait("Enter follow")
        tui.keys("S-Tab")
        tui.until(lambda: tui.screen.focus == state.PROMPT)
        tui.keys("S-Tab", "Esc")
        tui.until(lambda: tui.screen.focus == state.PROMPT)

    assert tui.error is None


def test_letters_are_text_at_the_prompt_and_keys_in_a_pane() -> None:
    with show() as tui:
        tui.keys("Esc", "d3")
        tui.wait("(pvh) d3")

        assert (False, "start_info") == (tui.screen.only_changes, tui.screen.view)

        tui.keys("S-Tab", "S-Tab", "d3")
        tui.until(lambda: tui.screen.only_changes and tui.screen.view == "memory")


def test_digits_and_the_question_mark_are_keys_at_an_empty_prompt_and_text_after_other_text() -> None:
    with show() as tui:
        tui.keys("Esc")
        tui.until(lambda: tui.screen.focus == state.PROMPT)
        tui.keys("3")
        tui.until(lambda: tui.screen.view == "memory")
        tui.keys("x/4")
        tui.wait("(pvh) x/4")
        tui.keys("?")
        tui.wait("(pvh) x/4?")
        tui.keys("Ctrl-U", "?")
        tui.until(lambda: tui.screen.popup is not None)

    assert (state.PROMPT, "memory") == (tui.screen.focus, tui.screen.view)


@pytest.mark.parametrize("line", ["tour", "lab check 3", "pvhdbg manual who", "pvh doctor"])
def test_a_command_of_the_shell_is_told_from_an_unknown_one(line: str) -> None:
    with show() as tui:
        tui.keys("Esc")
        tui.until(lambda: tui.screen.focus == state.PROMPT)
        tui.keys(line, "Enter")
        tui.wait("is a command of the shell: quit (Ctrl-Q), then type `pvhdbg ")


def test_left_and_right_go_through_the_stages_and_past_stages_are_labeled() -> None:
    with show() as tui:
        tui.wait("past: captured at prepare")
        tui.keys("Left")
        tui.wait("past: captured at entry")
        tui.keys("Left")
        assert "captured at entry" in tui.wait("[entry ●]")
        tui.keys("Right", "Right")
        tui.wait("captured at bootparams")
        tui.keys("Right", "Right")
        tui.wait("as of bootparams  pvh_start_info at")
        tui.wait_gone("past:")
        tui.keys("Right")
        tui.wait("this is the current stop")


def test_f6_goes_through_the_captured_stages_of_a_recording_and_keys_that_need_a_machine_are_not_in_the_help() -> None:
    with show((100, 30)) as tui:
        tui.wait("F6 → bootparams")
        for stage in ("bootparams", "kernel"):
            tui.keys("F6")
            tui.wait(f"shown: {stage}")
        tui.keys("F6")
        tui.wait_gone("past:")
        tui.keys("F6")
        tui.wait("no later stage was captured")
        tui.keys("F1")
        shown = tui.wait("show the next captured stage")

        assert [] == [key for key in ("F4 ", "F5 ", "F7", "F8", "F9", "F10", "F11") if key in shown]


def test_a_message_is_shown_until_the_next_key() -> None:
    with show() as tui:
        tui.keys("F5")
        tui.wait("no machine to run: this is a recording")
        tui.keys("Down")
        tui.wait_gone("no machine to run")


@pytest.mark.parametrize("key", ["F4", "F5", "F9", "F10", "F11", "S-F11", "c", "n", "s", "f", "i"])
def test_in_a_recording_keys_that_need_a_machine_show_a_message(key: str) -> None:
    with show() as tui:
        tui.keys(key)
        tui.wait("no machine to run")


def test_d_toggles_between_changed_rows_and_all_rows() -> None:
    with show((120, 40), view="boot_params") as tui:
        tui.keys("Right", "d")
        tui.wait("only changes")
        tui.keys("d")
        tui.wait_gone("only changes")


def test_z_unfolds_the_zero_fields() -> None:
    with show((120, 40), view="boot_params", past=2) as tui:
        tui.wait("9 fields, all 0")
        tui.keys("z")
        tui.wait("screen_info")
        tui.wait_gone("9 fields, all 0")


def test_enter_follows_a_pointer_and_backspace_returns() -> None:
    with show() as tui:
        tui.keys("/", "cmdline_paddr", "Enter", "Enter")
        tui.wait("0xefc60 physical")
        tui.keys("Backspace")
        tui.wait("pvh_start_info at")

        assert "cmdline_paddr" in next(line for line in tui.lines if "▸" in line)


def test_enter_on_the_addresses_of_the_module_list_and_the_map_opens_their_views() -> None:
    with show() as tui:
        tui.keys("/", "modlist_paddr", "Enter", "Enter")
        tui.wait("struct hvm_modlist_entry[1]")
        tui.keys("Backspace", "/", "memmap_paddr", "Enter", "Enter")
        tui.wait("memory map (memmap)")


def test_search_goes_to_the_next_match_wraps_around_and_reports_no_match() -> None:
    with show() as tui:
        tui.keys("/", "memmap")
        tui.wait("search: memmap")
        tui.keys("Enter")
        tui.until(lambda: tui.screen.position.cursor == 7)
        tui.keys("N")
        tui.until(lambda: tui.screen.position.cursor == 8)
        tui.keys("N")
        tui.until(lambda: tui.screen.position.cursor == 7)
        tui.keys("/", "nowhere", "Enter")
        tui.wait("not found in this view: nowhere")


def test_goto_takes_addresses_and_symbols_and_reports_unknown_symbols() -> None:
    with show() as tui:
        tui.keys(":", "0xefbd0", "Enter")
        tui.wait("0xefbd0 physical")
        tui.keys(":", "pvh_start_info", "Enter")
        tui.wait("78 c5 6e 33")
        tui.keys(":", "0x123456789abcdef01", "Enter")
        tui.wait('"0x123456789abcdef01": out of range')
        tui.keys(":", "no_such_symbol", "Enter")
        tui.wait("no symbol no_such_symbol")
        tui.keys(":", "0x5000000", "Enter")
        tui.wait("was not captured at prepare")


def test_esc_and_ctrl_c_close_the_entry_line() -> None:
    with show() as tui:
        for key in ("Esc", "Ctrl-C"):
            tui.keys(":", "0xefbd0")
            tui.wait("go to: 0xefbd0")
            tui.keys(key)
            tui.wait_gone("go to:")

    assert ("start_info", state.VIEW, None) == (tui.screen.view, tui.screen.focus, tui.screen.entry)


def test_the_bytes_view_follows_the_stage() -> None:
    with show() as tui:
        tui.keys(":", "pvh_start_info", "Enter")
        tui.wait("78 c5 6e 33")
        tui.keys("Left")
        tui.wait("was not captured at entry")
        tui.keys("Right")
        tui.wait("78 c5 6e 33")


def test_quitting_a_recording_needs_no_confirmation() -> None:
    for keys in (("q",), ("Ctrl-Q",), ("Esc", "Ctrl-Q"), ("Esc", "Ctrl-D"), ("Esc", "quit", "Enter")):
        with show() as tui:
            tui.wait("F1 help")
            tui.keys(*keys)
            tui.wait_end()

        assert tui.error is None


def test_ctrl_d_on_a_line_with_text_deletes_a_character() -> None:
    with show() as tui:
        tui.keys("Esc", "ab", "Left", "Ctrl-D")
        tui.wait("(pvh) a\n")

    assert tui.screen.focus == state.PROMPT


def test_quitting_asks_for_confirmation_while_pvhdbgs_guest_is_alive() -> None:
    alive: dict[str, Any] = {"is_own_machine": True, "run": Run(state.STOPPED, "prepare")}
    for key in ("n", "Esc", "x", "Down"):
        with show(**alive) as tui:
            tui.keys("q")
            tui.wait("Quit?")
            tui.keys(key)
            tui.wait_gone("Quit?")

            assert not tui.tui.app.is_done
    for key in ("y", "Y", "Enter", "Ctrl-Q", "Ctrl-D"):
        with show(**alive) as tui:
            tui.keys("Esc", "text", "Ctrl-Q")
            tui.wait("Quit?")
            tui.keys(key)
            tui.wait_end()

        assert tui.error is None


@pytest.mark.parametrize("run", [Run(state.DEAD), Run(state.ENDED)])
def test_quitting_needs_no_confirmation_if_the_guest_is_dead_or_has_ended(run: Run) -> None:
    with show(is_own_machine=True, run=run) as tui:
        tui.keys("q")
        tui.wait_end()

    assert tui.error is None


def test_the_prompt_of_a_recording_runs_pvhdbgs_commands_and_an_empty_line_repeats_the_last() -> None:
    with show((120, 40)) as tui:
        tui.keys("Esc", "cmdline @entry", "Enter")
        tui.wait("(pvh) cmdline @entry")
        tui.wait('"console=ttyS0 pvhdbg=recorded"')
        tui.keys("pvh cmdline", "Enter")
        tui.until(lambda: "(pvh) pvh cmdline" in tui.screen.output)
        tui.until(lambda: "\n".join(tui.screen.output).count("pvhdbg=recorded") == 2)
        tui.keys("nonsense", "Enter")
        tui.wait("use `help` for the list of commands")
        tui.keys("Up", "Up", "Up", "Enter")
        tui.until(lambda: tui.screen.output.count("(pvh) cmdline @entry") == 2)
        tui.keys("Enter")
        tui.until(lambda: tui.screen.output.count("(pvh) cmdline @entry") == 3)


def test_the_history_is_kept_between_runs_and_ctrl_r_searches_it(history: Path) -> None:
    with show() as tui:
        tui.keys("Esc", "stages", "Enter", "cpu", "Enter")
        tui.until(lambda: "(pvh) cpu" in tui.screen.output)
    with show((120, 40)) as tui:
        tui.keys("Esc", "Ctrl-R", "sta")
        tui.wait("(pvh) stages")
        tui.keys("Enter")
        tui.until(lambda: tui.screen.output[:1] == ("(pvh) stages",))
        tui.keys("Ctrl-R", "cp", "Ctrl-C")
        tui.until(lambda: not tui.tui.app.layout.is_searching)

    assert 0o600 == history.stat().st_mode & 0o777
    assert tui.error is None


def test_a_history_file_that_cannot_be_written_is_not_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    with show() as tui:
        tui.keys("Esc", "stages", "Enter")
        tui.until(lambda: "(pvh) stages" in tui.screen.output)

    assert tui.error is None


def test_pasted_lines_run_one_by_one_and_control_characters_in_them_are_dropped() -> None:
    with show() as tui:
        tui.keys("Esc", "\x1b[200~cmdline\ncpu\x03\x1b\x1b[201~")
        tui.keys("Enter")
        tui.wait("cpu")
        tui.until(lambda: any(line.startswith("(pvh) cpu") for line in tui.screen.output))

    assert "(pvh) cmdline" == tui.screen.output[0]


def test_y_copies_the_row_to_the_terminals_clipboard() -> None:
    with show() as tui:
        tui.keys("y")
        tui.wait("copied: magic 0x336ec578 correct")

    assert f"\x1b]52;c;{base64.b64encode(b'magic 0x336ec578 correct').decode()}\x07" in tui.terminal.raw


def test_shift_y_copies_the_whole_view() -> None:
    with show() as tui:
        tui.keys("Y")
        tui.wait("copied: 12 lines of start_info")
        copied = base64.b64decode(tui.terminal.raw.rpartition("\x1b]52;c;")[2].partition("\x07")[0]).decode()

    assert "+0x00 magic           0x336ec578  correct" in copied
    assert "pvh_start_info at" in copied.splitlines()[0]


def test_page_keys_at_the_prompt_scroll_the_output_and_a_command_scrolls_to_its_end() -> None:
    with show(output=tuple(f"line {number}" for number in range(300)), focus=state.PROMPT) as tui:
        tui.wait("line 299")
        tui.keys("PageUp")
        tui.wait_gone("line 299")
        tui.keys("PageDown")
        tui.wait("line 299")
        tui.keys("PageUp")
        tui.wait_gone("line 299")
        tui.keys("stages", "Enter")
        tui.until(lambda: tui.screen.output_top is None)
