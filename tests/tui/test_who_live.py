"""Key w and `pvh who` over a live machine, on a real terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.tui import tmux

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_w_asks_about_the_selected_row_and_leaves_the_guest_where_it_is(tmp_path: Path) -> None:
    with tmux.shell(tmp_path, (160, 50)) as shell:
        shell.start()
        shell.wait("stopped at prepare")
        shell.wait("\n(gdb)\n")
        shell.keys("M-1", "Tab", "w")
        asked = shell.wait("chain    pvh_start_info.magic <- pvh_start_xen entry.S:43 <- start_info.magic")
        shell.keys("Escape")
        shell.wait("Ctrl-R history")  # Escape and p, typed at once, would be Alt-p
        shell.type("pvh who boot_params.hdr.cmd_line_ptr")
        typed = shell.wait("chain    boot_params.hdr.cmd_line_ptr <- init_pvh_bootparams")
        shell.keys("F6")
        shell.wait("stopped at bootparams")

    assert "cmpl $0x336ec578" in asked
    assert "(%rip)" in asked
    assert "not read up to the return" in typed


def test_ctrl_c_cancels_the_private_boot_and_the_guest_goes_on(
    tmp_path: Path, find_vmlinux: Callable[[str], Path]
) -> None:
    with tmux.shell(tmp_path, (160, 50)) as shell:
        shell.start(str(find_vmlinux("6.1")))
        shell.wait("stopped at prepare")
        shell.wait("\n(gdb)\n")
        shell.type("pvh who e820_table")
        shell.until(lambda _: len(shell.children("qemu-system")) == 3)
        shell.wait("(gdb, who boots a second guest")
        shell.keys("C-c")
        canceled = shell.wait("who: canceled")
        shell.until(lambda _: len(shell.children("qemu-system")) == 1)
        shell.keys("F6")
        shell.wait("stopped at bootparams")

    assert "e820_table[0].addr" not in canceled
