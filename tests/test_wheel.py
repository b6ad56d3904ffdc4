"""The wheel contains the whole program."""

import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.paths import ROOT
from tests.test_house import tracked


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    call = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(call, check=False, capture_output=True, text=True)

    assert done.returncode == 0, done.stdout + done.stderr
    return next(folder.glob("*.whl"))


def test_the_wheel_contains_the_package_and_the_gdb_scripts(wheel: Path) -> None:
    files = {path for path in tracked() if path.startswith("pvhdbg/")}
    scripts = {f"pvhdbg/_{path}" for path in tracked() if path.startswith("gdb_scripts/")}

    assert set() == (files | scripts) - set(ZipFile(wheel).namelist())


def test_the_wheel_contains_no_tests_and_no_compiled_files(wheel: Path) -> None:
    names = ZipFile(wheel).namelist()

    assert [] == [name for name in names if name.startswith("tests/") or name.endswith(".pyc")]


def test_the_wheel_can_be_imported_without_installing_it(wheel: Path) -> None:
    program = f"import sys; sys.path.insert(0, {str(wheel)!r}); import pvhdbg; print(pvhdbg.__file__)"
    done = subprocess.run([sys.executable, "-I", "-c", program], check=True, capture_output=True, text=True)

    assert f"{wheel}/pvhdbg/__init__.py" == done.stdout.strip()
