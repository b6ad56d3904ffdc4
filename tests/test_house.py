"""The house rules that no other tool enforces."""

import ast
import re
import statistics
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from functools import cache
from itertools import chain
from pathlib import Path
from typing import NamedTuple, cast

import grimp
import pytest

import pvhdbg
from tests.paths import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))

TOP_LEVEL = {"LICENSE", "Makefile", "README.md", "gdb_scripts", "pvhdbg", "pyproject.toml", "tests"}

MOST_MODULES = 16
LONGEST_FILE = 400
LONGEST_FUNCTION = 30
# Files longer than LONGEST_FILE, and why one file is simpler than two.
LONG_FILES: dict[str, str] = {}

# Modules that may use our dependencies. All other modules also run inside gdb, and use only the standard library.
WITH_DEPENDENCIES = (
    "pvhdbg",
    "pvhdbg.__main__",
    "pvhdbg.cli.**",
    "pvhdbg.image",
    "pvhdbg.image.bzimage",
    "pvhdbg.image.debug_info",
    "pvhdbg.image.debug_info.source_lines",
    "pvhdbg.image.elf",
    "pvhdbg.image.load",
    "pvhdbg.live.**",
    "pvhdbg.target",
    "pvhdbg.target.mi.**",
    "pvhdbg.target.rsp.**",
    "pvhdbg.target.stub_registers",
    "pvhdbg.target.stub",
    "pvhdbg.tui.**",
)

Function = ast.FunctionDef | ast.AsyncFunctionDef


def sources(*folders: str) -> list[Path]:
    """Return every Python file in these folders of the checkout."""
    return sorted(chain.from_iterable((ROOT / folder).rglob("*.py") for folder in folders))


def is_any_of(module: str, patterns: Iterable[str]) -> bool:
    """Return whether one of import-linter's patterns matches this module."""
    return any(matches(module, pattern) for pattern in patterns)


def matches(module: str, pattern: str) -> bool:
    """Match like import-linter: `*` stands for one name, and `**` at the end for any number of names."""
    names, parts = module.split("."), pattern.split(".")
    if parts[-1] == "**":
        # The pattern of a package also matches its `__init__.py`, which only re-exports what is in the package.
        return names[: len(parts) - 1] == parts[:-1]
    return len(names) == len(parts) and all(part in ("*", name) for name, part in zip(names, parts, strict=True))


def inside_gdb() -> list[Path]:
    """Return the files of the package that also run in gdb's own Python."""
    return [path for path in sources("pvhdbg") if not is_any_of(module_name(path), WITH_DEPENDENCIES)]


def name_of(path: Path) -> str:
    """Return a file's path in the checkout."""
    return path.relative_to(ROOT).as_posix()


def module_name(path: Path) -> str:
    """Return the name under which a file is imported."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


class Measured(NamedTuple):
    """A function or method: its line, its name, and its number of lines without its docstring."""

    line: int
    name: str
    length: int


@cache
def functions(path: Path) -> tuple[Measured, ...]:
    """Return every function and method of a file, including inner functions."""
    nodes = (node for node in ast.walk(ast.parse(path.read_bytes())) if isinstance(node, Function))
    return tuple(Measured(node.lineno, node.name, length(node)) for node in nodes)


def length(function: Function) -> int:
    """Return the number of lines of a function, without its docstring."""
    docstring = function.body[0] if ast.get_docstring(function) else None
    lines = cast("int", function.end_lineno) - function.lineno + 1
    return lines - (cast("int", docstring.end_lineno) - docstring.lineno + 1 if docstring else 0)


def tracked() -> list[str]:
    """Return the files that git tracks."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    # If root runs git in another user's checkout, git refuses without this option.
    call = ["git", "-c", f"safe.directory={ROOT}", "-C", str(ROOT), "ls-files", "-z"]
    return subprocess.run(call, check=True, capture_output=True, text=True).stdout.split("\0")[:-1]


def test_the_version_is_written_the_same_in_both_places() -> None:
    assert PROJECT["project"]["version"] == pvhdbg.__version__


def test_the_top_level_holds_only_what_the_layout_names() -> None:
    top = {path.partition("/")[0] for path in tracked()}

    assert {name for name in top if not name.startswith(".")} <= TOP_LEVEL


def test_no_file_has_a_vague_name() -> None:
    vague = {"util.py", "utils.py", "helpers.py", "misc.py", "common.py"}

    assert [] == [name_of(path) for path in sources("pvhdbg", "gdb_scripts", "tests") if path.name in vague]


def test_no_file_is_long_without_a_reason() -> None:
    paths = sources("pvhdbg", "gdb_scripts", "tests")
    long = {name_of(path) for path in paths if len(path.read_text("utf-8").splitlines()) > LONGEST_FILE}

    assert set(LONG_FILES) == long


def test_no_function_is_long() -> None:
    long = [
        f"{name_of(path)}:{function.line} {function.name} has {function.length} lines"
        for path in sources("pvhdbg", "gdb_scripts", "tests")
        for function in functions(path)
        if function.length > LONGEST_FUNCTION
    ]

    assert [] == long


def test_most_functions_are_short() -> None:
    lengths = [function.length for path in sources("pvhdbg", "gdb_scripts") for function in functions(path)]

    assert statistics.median(lengths) < 10


def test_every_folder_of_modules_is_a_package_that_the_import_contracts_see() -> None:
    folders = {path.parent for path in sources("pvhdbg")}

    assert [] == sorted(name_of(folder) for folder in folders if not (folder / "__init__.py").exists())


def test_every_module_without_dependencies_is_in_the_contract_that_holds_it_there() -> None:
    contracts = PROJECT["tool"]["importlinter"]["contracts"]
    patterns = next(
        contract["source_modules"] for contract in contracts if "pygdbmi" in contract.get("forbidden_modules", ())
    )

    assert [] == [name for name in map(module_name, inside_gdb()) if not is_any_of(name, patterns)]


def test_what_runs_inside_gdb_is_typed_for_the_oldest_python_there(tmp_path: Path) -> None:
    options = ["--python-version=3.10", "--no-error-summary", "--follow-imports=silent", f"--cache-dir={tmp_path}"]
    call = [sys.executable, "-m", "mypy", *options, *map(str, inside_gdb())]
    done = subprocess.run(call, cwd=ROOT, check=False, capture_output=True, text=True)

    assert "" == done.stdout + done.stderr


def package_folders() -> list[Path]:
    """Return every folder of the package, including the top folder."""
    return sorted({path.parent for path in sources("pvhdbg")})


@pytest.mark.parametrize("folder", package_folders(), ids=name_of)
def test_a_folder_has_at_most_16_modules(folder: Path) -> None:
    modules = [path.name for path in folder.glob("*.py")]

    assert len(modules) <= MOST_MODULES, modules


@pytest.mark.parametrize("folder", package_folders(), ids=name_of)
def test_a_package_docstring_names_everything_in_the_package(folder: Path) -> None:
    words = set(re.findall(r"\w+", ast.get_docstring(ast.parse((folder / "__init__.py").read_bytes())) or ""))
    modules = {path.stem for path in folder.glob("*.py")} - {"__init__", "__main__"}
    packages = {path.parent.name for path in folder.glob("*/__init__.py")}

    assert [] == sorted((modules | packages) - words)


def test_no_files_import_each_other_in_a_circle() -> None:
    graph = grimp.build_graph("pvhdbg")
    left = set(graph.modules)
    while leaves := {module for module in left if not graph.find_modules_directly_imported_by(module) & left}:
        left -= leaves

    assert [] == sorted(left)
