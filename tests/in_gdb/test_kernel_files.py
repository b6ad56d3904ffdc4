"""The kernel file that gdb has symbols from: a file of another build, a rebuilt file, or no file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg import guest
from tests import rebuilt, tiny
from tests.in_gdb import stock
from tests.in_gdb.booted import ENTRY, boot

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_symbols_of_another_build_are_refused(tmp_path: Path) -> None:
    other = rebuilt.teaching_guest(tmp_path / "other.elf")
    lines = ("hbreak start_kernel", "continue", "pvh info", "pvh next-stage", "pvh stages", "pvh bootparams")
    with stock.qemu(tmp_path, guest.ELF) as machine:
        output = stock.pvh(tmp_path, machine, *lines, symbols=other)

    assert f"the kernel in memory is not {other}: the bytes at " in output.texts[2]
    assert "boot_params     -  no symbol boot_params: another kernel is in memory" in output.texts[2]
    assert ["the kernel in memory is not"] == [error[:27] for error in output.errors]
    assert 5 == output.texts[4].count("another kernel is in memory")
    assert "type_of_loader" not in output.last


def test_a_rebuilt_symbol_file_is_read_again(tmp_path: Path) -> None:
    kernel = tmp_path / "kernel"
    kernel.write_bytes(tiny.nameless())
    rebuild = f"shell cp {guest.ELF} {kernel}"
    output = stock.gdb(tmp_path, f"source {stock.SCRIPT}", "pvh stages", rebuild, "pvh stages", symbols=kernel)

    assert 4 == output.texts[1].count("pvhdbg does not know this guest")
    assert 5 == output.last.count("not reached")


def test_a_rebuilt_kernel_that_the_user_named_is_read_again(tmp_path: Path) -> None:
    kernel = tmp_path / "named"
    kernel.write_bytes(guest.ELF.read_bytes())
    rebuild = f"shell cat {rebuilt.teaching_guest(tmp_path / 'other')} > {kernel}"
    lines = (f"pvh run-to entry {kernel}", "pvh stages", rebuild, "pvh run-to kernel", "pvh stages")
    output = boot(tmp_path, *lines, symbols=False)

    assert 1 == output.texts[1].count("captured")
    assert "the kernel in memory is not" in output.errors[0]
    assert "another kernel is in memory" in output.last


def test_code_is_never_decoded_in_another_mode(tmp_path: Path) -> None:
    lines = ("pvh code", f"pvh code {ENTRY:#x}", f"pvh run-to entry {ENTRY:#x}", "pvh code", "stepi 2", "pvh code")
    output = boot(tmp_path, *lines, symbols=False)

    assert [] == output.errors
    assert output.texts[0].startswith("raw bytes at physical address 0xfffffff0:\n  0xfffffff0  ")
    assert output.texts[1].startswith(f"raw bytes at physical address {ENTRY:#x}:\n  {ENTRY:#x}  ")
    assert f"0x{ENTRY:08x}:  " in output.texts[3]
    assert "%ebx, %esi" in output.texts[3]
    assert "%ebx, %esi" in output.last or "movsl" in output.last


def test_the_code_of_a_dead_guest_begins_where_it_died(tmp_path: Path) -> None:
    output = boot(tmp_path, "pvh run-to entry", "set {int}$rbx = 0", "pvh run-to e820", "pvh code")

    assert output.last.splitlines()[0].endswith("ud2")


def test_searches_in_the_kernel_file_are_kept_for_the_next_gdb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    first = boot(tmp_path, "hbreak xen_prepare_pvh", "continue", "pvh info")
    kept = [path.read_text() for path in (tmp_path / "cache" / "pvhdbg" / "symbols").iterdir()]
    second = boot(tmp_path, "hbreak xen_prepare_pvh", "continue", "pvh info")

    assert [] == first.errors + second.errors
    assert any(line.endswith(" pvh_start_info") for line in kept[0].splitlines())
    assert first.last == second.last


def test_gdb_keeps_no_searches_where_others_could_change_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache").chmod(0o777)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    output = boot(tmp_path, "hbreak xen_prepare_pvh", "continue", "pvh info")

    assert [] == output.errors
    assert not list((tmp_path / "cache").rglob("*-*"))
