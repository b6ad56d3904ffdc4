"""The patterns of modules are compiled when they are first used."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

import pytest

from pvhdbg.lazy_pattern import pattern
from tests.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator


def test_pattern_finds_what_the_compiled_one_finds() -> None:
    ours, theirs = (
        pattern(r"(?P<name>[a-z]+)=(\d+)", re.IGNORECASE),
        re.compile(r"(?P<name>[a-z]+)=(\d+)", re.IGNORECASE),
    )
    text = "one=1, TWO=22"

    assert theirs.findall(text) == ours.findall(text)
    assert theirs.sub(r"\2", text) == ours.sub(r"\2", text)
    assert [found.groupdict() for found in theirs.finditer(text)] == [it.groupdict() for it in ours.finditer(text)]
    assert theirs.groupindex == ours.groupindex
    assert theirs.fullmatch(text) is None
    assert ours.fullmatch(text) is None


def test_pattern_of_bytes() -> None:
    assert [b"12"] == pattern(rb"\d+").findall(b"a12b")


def test_pattern_is_compiled_at_its_first_use() -> None:
    made = pattern("a(")

    with pytest.raises(re.error):
        made.search("a")


def test_no_module_compiles_a_pattern_when_it_is_imported() -> None:
    modules = {path: ast.parse(path.read_text()) for path in (ROOT / "pvhdbg").rglob("*.py")}
    found = [path for path, module in modules.items() if path.stem != "lazy_pattern" and any(_compiled(module))]

    assert [] == found


def _compiled(node: ast.AST) -> Iterator[ast.Call]:
    """Yield the calls of re.compile that run when the module is imported."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.Lambda):
            continue
        if isinstance(child, ast.Call) and ast.unparse(child.func) == "re.compile":
            yield child
        yield from _compiled(child)
