from pathlib import Path

import pytest

from pvhdbg.live.gdb import console
from pvhdbg.live.gdb.process import GdbOptions
from tests.live.conftest import Boot


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home directory with a gdbinit that sets a variable, and settings that would disturb an MI client."""
    text = "set $mine = 5\nset confirm on\nset pagination on\nset height 5\nset width 20\n"
    (tmp_path / ".gdbinit").write_text(text)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    return tmp_path


@pytest.mark.parametrize(("gdbinit", "printed"), [(False, "$1 = void\n"), (True, "$1 = 5\n")])
@pytest.mark.usefixtures("home")
def test_gdb_reads_the_users_start_up_files_only_with_gdbinit(boot: Boot, gdbinit: bool, printed: str) -> None:
    machine = boot(gdb=GdbOptions(gdbinit=gdbinit))

    assert printed == console.run(machine.gdb, "print $mine", lambda: None)


@pytest.mark.usefixtures("home")
def test_settings_in_the_users_start_up_files_do_not_disturb_mi(boot: Boot) -> None:
    machine = boot(gdb=GdbOptions(gdbinit=True))
    console.run(machine.gdb, "hbreak *0x10", lambda: None)

    assert "" == console.run(machine.gdb, "delete", lambda: None)
    assert 12 < console.run(machine.gdb, "help data", lambda: None).count("\n")


def test_variables_for_pvhdbgs_python_do_not_reach_gdbs_python(boot: Boot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/nowhere/at/all")
    machine = boot()

    assert "False\n" == console.run(
        machine.gdb, "python import sys; print('/nowhere/at/all' in sys.path)", lambda: None
    )


def test_recent_keeps_the_last_1000_lines_each_cut_to_4096_characters(boot: Boot) -> None:
    machine = boot()
    console.run(machine.gdb, "python print('x' * 100000)", lambda: None)
    for number in range(600):
        machine.gdb.ask(f"-gdb-set $number = {number}")
    recent = machine.gdb.process.recent

    assert 1000 == len(recent)
    assert all(len(line) <= 4098 for line in recent)
    assert any("$number = 599" in line for line in recent)


def test_a_line_for_a_gdb_that_is_closed_is_dropped(boot: Boot) -> None:
    closed = boot().gdb.process
    closed.kill()
    closed.close()
    closed.write("-gdb-exit")

    assert "< -gdb-exit" == closed.recent[-1]
