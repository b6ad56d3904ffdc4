"""`layout pvh` in gdb's own TUI, on a real terminal."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from pvhdbg import guest
from tests.in_gdb import stock
from tests.tui import tmux
from tests.tui.tmux import Shell

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SIZE = (150, 40)
GDB = f"gdb -nx -q -ex 'set pagination off' -ex 'set confirm off' -ex 'source {stock.SCRIPT}' {guest.ELF}"
FIND_SOURCE = f"set substitute-path {guest.COMPILED_IN} {guest.SOURCE}"


@contextmanager
def layout(folder: Path, charset: str = "C.UTF-8") -> Iterator[Shell]:
    """Show `layout pvh` with the teaching guest at `prepare`, on a terminal with this character set."""
    with stock.qemu(folder, guest.ELF) as machine, tmux.shell(folder, SIZE) as shell:
        shell.type(f"LC_ALL={charset} {GDB} -ex '{FIND_SOURCE}' -ex 'target remote {machine.where}'")
        shell.wait("0x000000000000fff0")
        shell.type("pvh run-to prepare")
        shell.wait("identical to start_info")
        shell.type("layout pvh")
        # At its prompt, gdb also notices that the terminal changes its size.
        shell.until(lambda text: "struct hvm_start_info at" in text and text.rstrip().endswith("(gdb)"))
        yield shell


def right(text: str) -> list[str]:
    """Return the lines of the window on the right, without its frame."""
    rows = [line for line in text.splitlines() if len(line) == SIZE[0] and line.endswith(("│", "x"))]
    return [line[SIZE[0] // 2 : -1].lstrip("│x").rstrip() for line in rows]


def test_the_window_shows_the_stop_next_to_source_and_commands(tmp_path: Path) -> None:
    with layout(tmp_path) as shell:
        text = shell.text
        window = right(text)

    assert "prepare: the first instruction of xen_prepare_pvh" == window[0]
    assert any("pvh_start_info  0x100b040  identical to start_info" in line for line in window)
    assert any("+0x00  magic           0x336ec578  correct" in line for line in window)
    assert "void xen_prepare_pvh(void)" in text
    assert text.rstrip().endswith("(gdb)")


def test_the_window_follows_each_stop_and_each_command(tmp_path: Path) -> None:
    with layout(tmp_path) as shell:
        shell.type("pvh next-stage")
        shell.wait("bootparams: the return from xen_prepare_pvh")
        shell.wait("boot protocol 2.12, type_of_loader QEMU")
        shell.type("set var pvh_start_info.version = 7")
        shell.wait("differs from start_info")
        shell.type("hbreak start_kernel")
        shell.type("continue")
        shell.wait("kernel: the first instruction")
        shell.type("pvh info @nowhere")
        shell.wait('unknown stage: "nowhere"')
        shell.type("kill")
        shell.wait("gdb is not connected to a machine")


def test_the_window_scrolls_both_ways_up_to_the_end_of_the_text(tmp_path: Path) -> None:
    with layout(tmp_path) as shell:
        shell.type("tui focus pvh")
        shell.wait("Focus set to pvh window.")
        shell.keys("NPage")
        shell.wait("not listed")
        shell.keys(*["PPage"] * 5)
        first = right(shell.wait("prepare: the first instruction"))[0]
        shell.keys("Right", "Right")
        shell.wait("epare: the first instruction")
        shell.keys(*["Left"] * 5)
        shell.until(lambda text: first == right(text)[0])
        shell.keys(*["NPage"] * 20)
        last = right(shell.wait("PVH201"))

    assert "PVH201" in last[-1]
    assert "prepare: the first" not in "".join(last)


def test_the_window_adapts_to_a_smaller_terminal(tmp_path: Path) -> None:
    with layout(tmp_path) as shell:
        shell.resize(80, 24)
        shell.until(lambda text: _width(text) <= 80 and "prepare: the first instruction" in text)
        shell.type("pvh stages")
        text = shell.wait("captured")

    assert _width(text) <= 80


def _width(text: str) -> int:
    return max(map(len, text.splitlines()))


def test_the_window_is_ascii_on_an_ascii_terminal(tmp_path: Path) -> None:
    with layout(tmp_path, "C") as shell:
        shell.type("tui focus pvh")
        shell.keys("NPage")
        text = shell.wait("#" * 40)

    assert "█" not in text
    assert "~V" not in text


@pytest.mark.parametrize("first", ["layout src", "layout pvh"])
def test_the_layout_needs_no_machine(first: str, tmp_path: Path) -> None:
    with tmux.shell(tmp_path, SIZE) as shell:
        shell.type(GDB)
        shell.wait("(gdb)")
        shell.type(first)
        shell.type("layout pvh")

        assert "gdb is not connected to a machine" in shell.wait("gdb is not connected to a machine")
