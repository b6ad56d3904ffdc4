"""Find every small change of a module that a test should notice: the mutants.

A mutant replaces one piece of the source text and leaves the rest as it is, so that tests that read the sources find
what they expect. Docstrings, annotations and assertions, such as `strict=True` of zip, are not changed, nor f-strings:
Python 3.11 does not know where the parts of an f-string are.
"""

from __future__ import annotations

import ast
import re
from itertools import chain, pairwise
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

OF_FINDINGS, OF_VERDICTS = ("error", "warning", "info"), ("fatal", "warning")
SEVERITIES = {"ERROR", "WARNING", "INFO", "FATAL"}
COMPARISONS: dict[type[ast.cmpop], tuple[str, ...]] = {
    ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="),
    ast.Lt: ("<", "<=", ">="),
    ast.LtE: ("<=", "<", ">"),
    ast.Gt: (">", ">=", "<="),
    ast.GtE: (">=", ">", "<"),
    ast.Is: ("is", "is not"),
    ast.IsNot: (r"is\s+not", "is"),
    ast.In: ("in", "not in"),
    ast.NotIn: (r"not\s+in", "in"),
}
"""How an operator is written, as a pattern, and what replaces it."""
ARITHMETIC: dict[type[ast.operator], tuple[str, str]] = {
    ast.Add: (r"\+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: (r"\*", "//"),
    ast.FloorDiv: ("//", "*"),
    ast.Mod: ("%", "//"),
    ast.LShift: ("<<", ">>"),
    ast.RShift: (">>", "<<"),
    ast.BitAnd: ("&", "|"),
    ast.BitOr: (r"\|", "&"),
}
FUNCTIONS = {"min": "max", "max": "min", "any": "all", "all": "any"}
REMOVABLE = (ast.Expr, ast.AugAssign, ast.Raise, ast.Continue, ast.Break, ast.If, ast.Return)

Change = tuple[int, int, str, str]
"""Where the replaced bytes begin and end, what replaces them, and what kind of change it is."""


class Mutant(NamedTuple):
    """One change of one file: the bytes from `start` to `end` become `text`."""

    path: str
    source: bytes
    start: int
    end: int
    text: str
    kind: str

    @property
    def line(self) -> int:
        return self.source.count(b"\n", 0, self.start) + 1

    @property
    def function(self) -> int:
        """The line of the innermost function whose body has the change, as in its code object; 0 if there is none."""
        functions = (node for node in ast.walk(ast.parse(self.source)) if isinstance(node, ast.FunctionDef))
        around = [it for it in functions if it.body[0].lineno <= self.line <= (it.end_lineno or 0)]
        return max((min([it.lineno, *(d.lineno for d in it.decorator_list)]) for it in around), default=0)

    @property
    def key(self) -> tuple[str, str, str]:
        """What names the mutant as long as its line stays the same."""
        return self.path, self.before, self.after

    @property
    def before(self) -> str:
        """The changed lines, as one line."""
        return " ".join(self._lines(self.source[self.start : self.end]).split())

    @property
    def after(self) -> str:
        return " ".join(self._lines(self.text.encode()).split())

    def _lines(self, middle: bytes) -> str:
        first = self.source.rfind(b"\n", 0, self.start) + 1
        rest = self.source[self.end :].partition(b"\n")[0]
        return (self.source[first : self.start] + middle + rest).decode()

    @property
    def mutated(self) -> bytes:
        return self.source[: self.start] + self.text.encode() + self.source[self.end :]

    def __str__(self) -> str:
        return f"{self.path}:{self.line} {self.kind}: {self.before}  ->  {self.after}"


def mutants(root: Path, path: str) -> list[Mutant]:
    """Return every mutant of a file, in the order of the source."""
    source = (root / path).read_bytes()
    found = (Mutant(path, source, *change) for change in sorted(set(_Finder(source).changes())))
    return [mutant for mutant in found if mutant.mutated != source]


class _Finder:
    def __init__(self, source: bytes) -> None:
        self.source = source
        self.tree = ast.parse(source)
        self.starts = [0, *(match.end() for match in re.finditer(b"\n", source))]

    def start(self, node: ast.expr | ast.stmt) -> int:
        return self.starts[node.lineno - 1] + node.col_offset

    def end(self, node: ast.expr | ast.stmt) -> int:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self.starts[node.end_lineno - 1] + node.end_col_offset

    def changes(self) -> Iterator[Change]:
        for node in _changeable(self.tree):
            for find in (self._operators, self._values, self._conditions, self._statements):
                yield from find(node)

    def _operators(self, node: ast.AST) -> Iterator[Change]:
        match node:
            case ast.Compare():
                for (left, right), operator in zip(pairwise([node.left, *node.comparators]), node.ops, strict=True):
                    pattern, *others = COMPARISONS[type(operator)]
                    for other in others:
                        yield from self._replaced(left, right, pattern, other, "comparison")
            case ast.BoolOp():
                pattern, other = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
                for left, right in pairwise(node.values):
                    yield from self._replaced(left, right, pattern, other, "and/or")
            case ast.BinOp() if type(node.op) in ARITHMETIC:
                yield from self._replaced(node.left, node.right, *ARITHMETIC[type(node.op)], "arithmetic")

    def _replaced(self, left: ast.expr, right: ast.expr, pattern: str, text: str, kind: str) -> Iterator[Change]:
        """Replace the operator between two operands. The text around it may have parentheses and comments."""
        start, end = self.end(left), self.start(right)
        words = re.compile((rf"\b{pattern}\b" if pattern[0].isalpha() else pattern).encode())
        match = words.search(self.source, start, end)
        if match and b"#" not in self.source[start:end]:
            yield match.start(), match.end(), text, kind

    def _values(self, node: ast.AST) -> Iterator[Change]:
        match node:
            case ast.Constant(value=bool(value)):
                yield self._instead(node, str(not value), "constant")
            case ast.Constant(value=int(value)):
                is_hex = self.source[self.start(node) :][:2].lower() == b"0x"
                for other in (value + 1, value - 1)[: 2 if value else 1]:
                    yield self._instead(node, f"{other:#x}" if is_hex else str(other), "constant")
            case ast.Name(ctx=ast.Load()) if node.id in SEVERITIES:
                others = OF_VERDICTS if node.id == "FATAL" or b"ERROR" not in self.source else OF_FINDINGS
                yield from (self._instead(node, f'"{text}"', "severity") for text in others if text != node.id.lower())
            case ast.Call(func=ast.Name(id=name) as function) if name in FUNCTIONS:
                yield self._instead(function, FUNCTIONS[name], "function")

    def _conditions(self, node: ast.AST) -> Iterator[Change]:
        match node:
            case ast.UnaryOp(op=ast.Not()):
                yield self.start(node), self.start(node) + len("not"), "", "negation"
            case ast.If() | ast.IfExp() | ast.While():
                yield from self._negated(node.test)
            case ast.comprehension():
                for test in node.ifs:
                    yield from self._negated(test)

    def _negated(self, test: ast.expr) -> Iterator[Change]:
        if not isinstance(test, ast.Compare | ast.UnaryOp | ast.Constant):
            start, end = self.start(test), self.end(test)
            yield start, end, f"(not ({self.source[start:end].decode()}))", "negation"

    def _statements(self, node: ast.AST) -> Iterator[Change]:
        if isinstance(node, REMOVABLE):
            has_value = isinstance(node, ast.Return) and getattr(node.value, "value", node.value) is not None
            yield self._instead(node, "return" if has_value else "pass", "removed")
        elif isinstance(node, ast.Assign) and not isinstance(node.targets[0], ast.Name | ast.Tuple):
            yield self._instead(node, "pass", "removed")

    def _instead(self, node: ast.expr | ast.stmt, text: str, kind: str) -> Change:
        return self.start(node), self.end(node), text, kind


def _changeable(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes that may be changed: all but docstrings, annotations, f-strings and what only mypy reads."""
    yield node
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns"):
            continue
        children = value if isinstance(value, list) else [value]
        for child in children:
            if isinstance(child, ast.AST) and not _is_fixed(child):
                yield from _changeable(child)


def _is_fixed(node: ast.AST) -> bool:
    if isinstance(node, ast.If):
        return isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant)
    if isinstance(node, ast.keyword):
        return node.arg == "strict"
    return isinstance(node, ast.JoinedStr | ast.Import | ast.ImportFrom)


def all_mutants(root: Path, folders: Sequence[str]) -> list[Mutant]:
    """Return every mutant of every file in these folders, or of these files, of a checkout."""
    paths = chain.from_iterable(_files(root / folder) for folder in folders)
    return [mutant for path in paths for mutant in mutants(root, path.relative_to(root).as_posix())]


def _files(path: Path) -> list[Path]:
    return [path] if path.is_file() else sorted(path.rglob("*.py"))
