"""`source pvh.py`: from any folder, together with other scripts, in any gdb."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from pvhdbg import guest
from pvhdbg.cli import main
from tests.in_gdb import stock
from tests.paths import ROOT

OLD = Path(__file__).with_name("old_gdb.py")
ADDED = re.compile(r"\$pvh_\w+ = <internal function \w+>\n")
"""The lines that pvh.py adds to `show convenience`."""

WORKS = ("pvh explain magic", "pvh stages")


def sourced(folder: Path, path: str | Path, *lines: str, symbols: Path | None = guest.ELF) -> stock.Output:
    """Source pvh.py, and run lines that need no machine."""
    return stock.gdb(folder, f"source {path}", *WORKS, *lines, symbols=symbols)


def works(output: stock.Output) -> bool:
    """Return whether the lines of WORKS succeeded."""
    return (
        [] == output.errors and "hvm_start_info.magic" in output.texts[1] and 5 == output.texts[2].count("not reached")
    )


def test_the_shell_prints_the_path_of_the_script(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert 0 == main(["gdb-script"])
    path = capsys.readouterr().out.removesuffix("\n")
    assert str(stock.SCRIPT) == path
    assert works(sourced(tmp_path, path))


@pytest.mark.parametrize("start", [ROOT / "gdb_scripts", ROOT, ROOT / "tests"])
def test_the_path_may_be_relative(start: Path, tmp_path: Path) -> None:
    output = stock.gdb(tmp_path, f"cd {start}", f"source {os.path.relpath(stock.SCRIPT, start)}", "cd /", "pvh stages")

    assert [] == output.errors


def test_the_path_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "link.py").symlink_to(stock.SCRIPT)

    assert works(sourced(tmp_path, "link.py"))


def test_the_users_own_script_may_source_it(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(f"import gdb\ngdb.execute('source {stock.SCRIPT}')\n")

    assert works(sourced(tmp_path, "own.py"))


def test_gdb_can_source_it_when_it_starts(tmp_path: Path) -> None:
    call = ["gdb", "-nx", "-batch", "-x", str(stock.SCRIPT), "-ex", "pvh stages", str(guest.ELF)]
    done = subprocess.run(call, cwd=tmp_path, check=False, capture_output=True, text=True, timeout=stock.PATIENCE)

    assert (5, "") == (done.stdout.count("not reached"), done.stderr)


def test_sourcing_it_twice_does_no_harm_and_keeps_the_captures(tmp_path: Path) -> None:
    with stock.qemu(tmp_path, guest.ELF) as machine:
        lines = (
            "pvh run-to prepare",
            f"source {stock.SCRIPT}",
            "pvh info @entry",
            "info pretty-printer",
            "complete pvh inf",
        )
        output = stock.pvh(tmp_path, machine, *lines, symbols=guest.ELF)

    assert [] == output.errors
    assert output.texts[2].startswith("entry: ")
    assert 1 == output.texts[3].count("pvhdbg")
    assert "pvh info\n" == output.last


def test_sourcing_prints_nothing_and_changes_no_setting(tmp_path: Path) -> None:
    state = ("show", "info signals", "info display", "python import sys; print(sys.path, sorted(globals()))")
    output = stock.gdb(tmp_path, *state, f"source {stock.SCRIPT}", *state, symbols=guest.ELF)
    before, after = output.texts[: len(state)], output.texts[len(state) + 1 :]

    assert ([], "") == (output.errors, output.texts[len(state)])
    assert len(before[0]) > 10_000
    assert before == [ADDED.sub("", text) for text in after]


def test_the_users_gdbinit_and_pvh_do_not_disturb_each_other(tmp_path: Path) -> None:
    (tmp_path / ".gdbinit").write_text(
        "set print pretty on\n"
        "set $hooked = 0\n"
        "define hook-continue\n  set $hooked = $hooked + 1\nend\n"
        "define hook-stop\n  set $stopped = 1\nend\n"
        "python\n"
        "import gdb.printing\n"
        "class Mine:\n    def to_string(self): return 'mine'\n"
        "mine = gdb.printing.RegexpCollectionPrettyPrinter('mine')\n"
        "mine.add_printer('e820', '^boot_e820_entry$', lambda value: Mine())\n"
        "gdb.printing.register_pretty_printer(None, mine)\n"
        "end\n"
        f"source {stock.SCRIPT}\n"
    )
    with stock.qemu(tmp_path, guest.ELF) as machine:
        output = stock.gdb(
            tmp_path,
            *(f"target remote {machine.where}", "pvh run-to bootparams", "p $hooked > 0", "p $stopped"),
            *("p pvh_bootparams.e820_table[0]", "p pvh_start_info", "show print pretty"),
            symbols=guest.ELF,
            env={"HOME": str(tmp_path)},
            nx=False,
        )

    assert [] == output.errors
    assert ["$1 = 1\n", "$2 = 1\n", "$3 = mine\n"] == output.texts[2:5]
    assert "  magic = 0x336ec578 (correct),\n" in output.texts[5]
    assert "is on" in output.last


def test_another_package_called_pvhdbg_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "pvhdbg").mkdir()
    (tmp_path / "pvhdbg/__init__.py").write_text("commands = 'not ours'\n")
    other = f"python import sys; sys.path.insert(0, {str(tmp_path)!r}); import pvhdbg"
    output = stock.gdb(tmp_path, other, f"source {stock.SCRIPT}", *WORKS, symbols=guest.ELF)

    assert works(output._replace(answers=output.answers[1:]))


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the unpacked wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    call = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(call, check=True, capture_output=True)
    ZipFile(next(folder.glob("*.whl"))).extractall(folder / "site-packages")
    return folder / "site-packages"


def test_an_installed_wheel_contains_the_script(installed: Path, tmp_path: Path) -> None:
    call = [sys.executable, "-P", "-m", "pvhdbg", "gdb-script"]
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    path = subprocess.run(
        call, cwd=tmp_path, check=True, capture_output=True, text=True, env=environment
    ).stdout.strip()
    output = sourced(tmp_path, path, "python import pvhdbg; print(pvhdbg.__file__)", "python print(sys.path)")

    assert str(installed / "pvhdbg/_gdb_scripts/pvh.py") == path
    assert works(output)
    assert f"{installed}/pvhdbg/__init__.py\n" == output.texts[3]
    assert str(installed) not in output.texts[4]


def test_a_wheel_without_the_script_is_an_error(installed: Path, tmp_path: Path) -> None:
    shutil.copytree(installed / "pvhdbg", tmp_path / "pvhdbg", ignore=shutil.ignore_patterns("_gdb_scripts"))
    call = [sys.executable, "-m", "pvhdbg", "gdb-script"]
    done = subprocess.run(call, cwd=tmp_path, check=False, capture_output=True, text=True)

    assert (3, "") == (done.returncode, done.stdout)
    assert "pvh.py: not found beside" in done.stderr


def test_gdb_10_has_everything_that_it_supports(tmp_path: Path) -> None:
    lines = (
        "pvh run-to entry",
        "set $at = $rbx",
        "pvh run-to kernel",
        "pvh info",
        "p pvh_start_info",
        "p/x pvh_start_info",
        "p/x $pvh_phys($at)",
        "info breakpoints",
    )
    with stock.qemu(tmp_path, guest.ELF) as machine:
        output = stock.gdb(
            tmp_path,
            *(f"source {OLD}", f"source {stock.SCRIPT}", f"target remote {machine.where}"),
            *lines,
            "maint packet qqemu.PhyMemMode",
            symbols=guest.ELF,
        )
    new = output.texts[5:]

    assert [] == output.errors
    assert new[1].startswith("kernel: ")
    assert new[2].startswith("$1 = {magic = 0x336ec578 (correct), version = 1, ")
    assert new[3].startswith("$2 = {magic = 0x336ec578 (correct), version = 0x1, ")
    assert "$3 = 0x1336ec578\n" == new[4]
    assert new[5].startswith("No breakpoints")
    assert 'received: "0"' in new[6]


@pytest.mark.parametrize(
    ("pretend", "line"),
    [
        ("gdb.VERSION = '9.2'", "pvhdbg needs gdb 10 or newer: this is gdb 9.2\n"),
        (
            "gdb.VERSION = 'Red Hat Enterprise Linux 8.2-20.el8'",
            "pvhdbg needs gdb 10 or newer: this is gdb Red Hat Enterprise Linux 8.2-20.el8\n",
        ),
        ("import sys; sys.version_info = (3, 9, 2)", "pvhdbg needs Python 3.10 or newer: this gdb has Python 3.9\n"),
    ],
)
def test_an_old_gdb_or_python_is_an_error_of_one_line(pretend: str, line: str, tmp_path: Path) -> None:
    output = stock.gdb(tmp_path, f"python {pretend}", f"source {stock.SCRIPT}", "pvh info")

    assert line == output.texts[1]
    assert 1 == len(output.errors)


def test_old_pythons_can_parse_the_script() -> None:
    """The script has no annotations and no f-strings, which Python 2 can't parse."""
    import ast

    tree = ast.parse(stock.SCRIPT.read_bytes(), feature_version=(3, 4))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]

    assert [None, None] == [function.returns for function in functions]
    assert not any(isinstance(node, ast.JoinedStr | ast.AnnAssign) for node in ast.walk(tree))


def test_help_is_ascii_in_an_ascii_gdb(tmp_path: Path) -> None:
    lines = ("help pvh bootparams", "pvh open /nowhere", "help function pvh_phys")
    output = stock.gdb(tmp_path, f"source {stock.SCRIPT}", *lines, env={"LC_ALL": "C"})

    assert "Usage: pvh bootparams [FIELD...] [@STAGE]" in output.texts[1]
    assert ["/nowhere: No such file or directory"] == output.errors
    assert "Usage: $pvh_phys (PADDR[, SIZE])" in output.last
