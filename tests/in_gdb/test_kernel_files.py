"""The files that gdb has the kernel's symbols of: another build, one that is rebuilt, none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg import guest
from tests import rebuilt, tiny
from tests.in_gdb import stock
from tests.in_gdb.booted import ENTRY, boot

if TYPE_CHECKING:
    from pathlib import Path


def test_symbols_of_another_build_are_refused(tmp_path: Path) -> None:
    other = rebuilt.teaching_guest(tmp_path / "other.elf")
    lines = ("hbreak start_kernel", "continue", "pvh info", "pvh next-stage", "pvh stages", "pvh bootparams")
    with stock.qemu(tmp_path, guest.ELF) as machine:
        told = stock.pvh(tmp_path, machine, *lines, symbols=other)

    assert f"the kernel in memory is not {other}: what lies at " in told.texts[2]
    assert "kernel_boot_params  -  no symbol boot_params: another kernel is in memory" in told.texts[2]
    assert ["the kernel in memory is not"] == [each[:27] for each in told.errors]
    assert 5 == told.texts[4].count("another kernel is in memory")
    assert "type_of_loader" not in told.last


def test_the_symbols_file_that_is_rebuilt_is_read_again(tmp_path: Path) -> None:
    kernel = tmp_path / "kernel"
    kernel.write_bytes(tiny.nameless())
    rebuild = f"shell cp {guest.ELF} {kernel}"
    told = stock.gdb(tmp_path, f"source {stock.SCRIPT}", "pvh stages", rebuild, "pvh stages", symbols=kernel)

    assert "no symbol start_kernel" in told.texts[1]
    assert 5 == told.last.count("not reached")


def test_a_kernel_that_was_told_by_its_path_is_read_again_when_it_is_rebuilt(tmp_path: Path) -> None:
    kernel = tmp_path / "told"
    kernel.write_bytes(guest.ELF.read_bytes())
    rebuild = f"shell cat {rebuilt.teaching_guest(tmp_path / 'other')} > {kernel}"
    lines = (f"pvh run-to entry {kernel}", "pvh stages", rebuild, "pvh run-to kernel", "pvh stages")
    told = boot(tmp_path, *lines, symbols=False)

    assert 1 == told.texts[1].count("captured")
    assert "the kernel in memory is not" in told.errors[0]
    assert "another kernel is in memory" in told.last


def test_code_is_never_that_of_another_mode(tmp_path: Path) -> None:
    lines = ("pvh code", f"pvh code {ENTRY:#x}", f"pvh run-to entry {ENTRY:#x}", "pvh code", "stepi 2", "pvh code")
    told = boot(tmp_path, *lines, symbols=False)

    assert [] == told.errors
    assert told.texts[0].startswith("captured bytes, not disassembled:\n  0xfffffff0  ")
    assert told.texts[1].startswith(f"bytes, not disassembled:\n  {ENTRY:#x}  ")
    assert f"0x{ENTRY:08x}:  " in told.texts[3]
    assert "%ebx, %esi" in told.texts[3]
    assert "%ebx, %esi" in told.last or "movsl" in told.last


def test_a_dead_guest_s_code_at_a_stage_is_bytes_for_its_mode_may_be_another(tmp_path: Path) -> None:
    told = boot(tmp_path, "pvh run-to entry", "set {int}$rbx = 0", "pvh run-to e820", "pvh code")

    assert told.last.startswith("captured bytes, not disassembled:")
