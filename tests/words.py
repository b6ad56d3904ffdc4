"""Find wording problems that a program can detect: `python -m tests.words [PATH…]` prints them.

The rules are in .github/CONTRIBUTING.md, "Words".
"""

import ast
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from tests.paths import ROOT

ODD = re.compile(
    r"\b(nobody|somebody|whoever|(?:is|are) told|but for|lest|what there is|"
    r"is no (?:value|number|regular|socket|stage)|"
    r"for ever|without a word|becomes? of|became of|speaks for itself|cures?)\b",
    re.IGNORECASE,
)
"""Phrases that are not plain English."""
NULL = re.compile(r"(?<![/\w])null\b(?![ -]?(?:byte|pointer|terminat|selector|descriptor))", re.IGNORECASE)
WITH_HINT = frozenset({"UserError", "GuestError", "MachineError"})
"""The errors whose second argument is a hint."""
ERRORS = frozenset({
    "UserError", "GuestError", "MachineError", "TargetError", "PvhdbgError", "NotConnected", "MemoryUnreadable",
    "RegisterUnavailable", "SymbolMissing",
})  # fmt: skip


class Text(NamedTuple):
    """A string or docstring in a file. The values in an f-string are replaced by `{}`."""

    path: Path
    line: int
    text: str
    is_docstring: bool

    def __str__(self) -> str:
        return f"{self.path.relative_to(ROOT)}:{self.line}: {' '.join(self.text.split())[:150]}"


def python_files(*folders: str) -> list[Path]:
    paths = [ROOT / folder for folder in folders]
    return sorted(found for path in paths for found in ([path] if path.is_file() else path.rglob("*.py")))


def texts(path: Path) -> Iterator[Text]:
    """Yield all strings in a file, including docstrings."""
    tree = ast.parse(path.read_bytes())
    docstrings = set(_docstrings(tree))
    inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield Text(path, node.lineno, _joined(node), is_docstring=False)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside:
            yield Text(path, node.lineno, node.value, node in docstrings)


def _docstrings(tree: ast.Module) -> Iterator[ast.expr]:
    """Yield the docstrings, and the strings that describe the constant above them."""
    return (
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    )


def _joined(node: ast.JoinedStr) -> str:
    return "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)


def loops_over_each(path: Path) -> Iterator[str]:
    """Yield the loops and comprehensions whose variable is called `each`."""
    if b"each" not in path.read_bytes():  # Most files are not parsed, which takes seconds for all of them.
        return
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.For | ast.comprehension) and any(
            isinstance(name, ast.Name) and name.id == "each" for name in ast.walk(node.target)
        ):
            yield f"{path.relative_to(ROOT)}:{node.target.lineno}: for each in"


class Raised(NamedTuple):
    """A place in the source that creates an error: the error's message, and its hint if it has one."""

    where: str
    message: str
    hint: str | None


@cache
def errors(path: Path) -> tuple[Raised, ...]:
    """Return the pvhdbg errors that a file creates, with their texts if these are literals."""
    return tuple(_errors(path))


def _errors(path: Path) -> Iterator[Raised]:
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ERRORS and node.args:
            message = _text_of(node.args[0])
            hint = next((word.value for word in node.keywords if word.arg == "hint"), None)
            if hint is None and len(node.args) > 1 and node.func.id in WITH_HINT:
                hint = node.args[1]
            where = f"{path.relative_to(ROOT)}:{node.lineno}"
            yield Raised(where, message or "", _text_of(hint))


def _text_of(node: ast.expr | None) -> str | None:
    if isinstance(node, ast.JoinedStr):
        return _joined(node)
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    return None


def odd(path: Path) -> list[Text]:
    """Return the strings with a phrase of ODD."""
    return [text for text in texts(path) if ODD.search(text.text)]


def null_in_docstrings(path: Path) -> list[Text]:
    """Return the docstrings that use JSON's word for None."""
    if not NULL.search(path.read_text("utf-8")):
        return []
    return [text for text in texts(path) if text.is_docstring and NULL.search(text.text)]


def main(folders: list[str]) -> None:
    for path in python_files(*(folders or ["pvhdbg", "gdb_scripts", "tests"])):
        for text in odd(path):
            print(f"odd   {text}")
        for text in null_in_docstrings(path):
            print(f"null  {text}")
        for loop in loops_over_each(path):
            print(f"each  {loop}")


if __name__ == "__main__":
    main(sys.argv[1:])
