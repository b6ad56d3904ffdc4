"""Expressions about a boot in text that teaches: `start_info.magic @ entry == 0x336ec578`.

    start_info.paddr                    a path of the JSON document, at the stage that the text is about
    start_info.paddr @ entry            the same at another stage
    modules[0].size, len(modules)       an element of a list, and how many there are; also of a text
    kernel.entry, machine.memory        what belongs to the whole boot
    outcome.ended, outcome.died.symbol  how it ended
    "PVH102" in findings                the codes of all findings
    finding.PVH102.field                the first finding with this code
    registers.rip + 4, cr0 & 1          numbers can be added, subtracted, divided by // and combined by &, | and >>
    0x10, 16, "console=ttyS0"           numbers and texts

A fact compares them: ==, !=, <, <=, >, >=, in, not in. Text has them in braces: {start_info.paddr} is written in hex,
{start_info.nr_modules:d} in decimal, {modules[0].size:size} in binary units.
"""

from __future__ import annotations

import ast
import operator
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from warnings import catch_warnings, simplefilter

from pvhdbg.abi.text import printable
from pvhdbg.boot.stop import stages
from pvhdbg.errors import UserError
from pvhdbg.lazy_pattern import pattern
from pvhdbg.named_tuple import NamedTuple
from pvhdbg.views.rows import text as words

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pvhdbg.boot.record.document import Document, MachineFacts
    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.image.facts import ImageFacts

_OPERATORS: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.FloorDiv: operator.floordiv,
    ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_,
    ast.RShift: operator.rshift,
}
_COMPARISONS: dict[type, Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda left, right: left in right,
    ast.NotIn: lambda left, right: left not in right,
}
_OF_BOOT = ("kernel", "machine", "outcome", "findings", "finding")
_STAGES = (*stages.NAMES, stages.DIED, "before", "after")
_IN_BRACES = pattern(r"\{([^{}]+?)(?::(d|size))?\}")
_LONGEST = 200
"""Characters of an expression."""
_FIRST_IN_HEX = 10
_LONGEST_TEXT = 80
"""Characters of a text from the guest."""


class NotKnown(UserError):
    """An expression that is not understood, or that has no value in this boot."""


class Boot(NamedTuple):
    """What is known about a boot: its stops, oldest first, the kernel file and the machine.

    `document` has also how it ended; None while the guest can go on.
    """

    stops: Sequence[Capture] = ()
    kernel: ImageFacts | None = None
    machine: MachineFacts | None = None
    document: Document | None = None


def of_document(document: Document) -> Boot:
    return Boot(document.stops, document.kernel, document.machine, document)


def why_not_understood(fact: str) -> str:
    """Return why a text is not a fact about any boot; empty if it is one, true or not."""
    try:
        tree = _parsed(fact)
    except NotKnown as error:
        return str(error)
    if not isinstance(tree, ast.Compare):
        return f"not a comparison: {printable(fact)}"
    return _unknown_name(tree)


def why_no_expression(expression: str) -> str:
    """Return why a text is not an expression about any boot; empty if it is one, with a value or not."""
    try:
        return _unknown_name(_parsed(expression))
    except NotKnown as error:
        return str(error)


def _unknown_name(tree: ast.expr) -> str:
    """Return an error about a name with which no path begins; empty if there is none."""
    from pvhdbg.boot.stop.capture import EMPTY_CAPTURE

    known = {*_stop(_ById(EMPTY_CAPTURE)), *_OF_BOOT, *_STAGES, "len"}
    names = (node.id for node in ast.walk(tree) if isinstance(node, ast.Name))
    return next((f"unknown name: {printable(name)}" for name in names if name not in known), "")


def holds(fact: str, boot: Boot, stage: str) -> bool:
    """Return whether a fact is true. `stage` is where the paths without a stage are looked up.

    :raise NotKnown: if the fact is not understood or has no value.
    """
    parsed = _parsed(fact)
    if not isinstance(parsed, ast.Compare):
        raise NotKnown(f"not a comparison: {fact}", "write a fact such as `start_info.version == 1`")
    sides = [_value(side, boot, stage) for side in (parsed.left, *parsed.comparators)]
    compared = zip(parsed.ops, sides, sides[1:], strict=False)
    try:
        return all(_COMPARISONS[type(how)](left, right) for how, left, right in compared)
    except (KeyError, TypeError) as error:
        raise NotKnown(f"can't be compared: {fact}") from error


def why_false(fact: str, boot: Boot, stage: str) -> str:
    """Return why a fact is not true; empty if it is true."""
    try:
        return "" if holds(fact, boot, stage) else f"not true: {fact}"
    except NotKnown as error:
        return str(error)


def observed(fact: str, boot: Boot, stage: str) -> str:
    """Return the values that a fact compares, such as `start_info.magic is 0x336ec578`, without its constants.

    :raise NotKnown: if the fact is not understood.
    """
    parsed = _parsed(fact)
    if not isinstance(parsed, ast.Compare):
        raise NotKnown(f"not a comparison: {fact}", "write a fact such as `start_info.version == 1`")
    sides = (side for side in (parsed.left, *parsed.comparators) if not isinstance(side, ast.Constant))
    return ", ".join(_described(side, boot, stage) for side in sides)


def _described(side: ast.expr, boot: Boot, stage: str) -> str:
    try:
        content = _value(side, boot, stage)
    except NotKnown as error:
        return str(error)
    if isinstance(content, list):
        return f"{ast.unparse(side)}: {printable(', '.join(map(str, content))) or 'none'}"
    is_count = isinstance(side, ast.Call) or (isinstance(content, int) and content < _FIRST_IN_HEX)
    return f"{ast.unparse(side)} is {_shown(content, 'd' if is_count else None)}"


def why_not_filled_in(text: str, boot: Boot, stage: str) -> str:
    """Return why a text has an expression without a value; empty if all have one."""
    try:
        filled_in(text, boot, stage)
    except NotKnown as error:
        return str(error)
    return ""


def value(expression: str, boot: Boot, stage: str) -> object:
    """Return the value of an expression: a number, a text, a list or None.

    :raise NotKnown: if the expression is not understood or has no value.
    """
    return _value(_parsed(expression), boot, stage)


def filled_in(text: str, boot: Boot, stage: str) -> str:
    """Return text with the values of the expressions in its braces.

    :raise NotKnown: if an expression is not understood or has no value.
    """
    return _IN_BRACES.sub(lambda match: _shown(value(match[1], boot, stage), match[2]), text)


def _shown(content: object, form: str | None) -> str:
    if not isinstance(content, int):
        return words.quoted(content, _LONGEST_TEXT) if isinstance(content, str) else printable(str(content))
    if form == "size":
        return words.size(content)
    return str(content) if form == "d" else f"{content:#x}"


@lru_cache(256)
def _parsed(expression: str) -> ast.expr:
    if len(expression) > _LONGEST:
        raise NotKnown("an expression is too long")
    try:
        with catch_warnings():
            simplefilter("ignore")  # Python warns about `0x1for`, on standard error
            return ast.parse(expression.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise NotKnown(f"not an expression: {printable(expression)}") from error


def _value(node: ast.expr, boot: Boot, stage: str) -> Any:  # noqa: ANN401  a value of the JSON document
    if isinstance(node, ast.Constant) and type(node.value) in (int, str):
        return node.value
    if isinstance(node, ast.BinOp):
        return _combined(node, boot, stage)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "len" and len(node.args) == 1:
        listed = _value(node.args[0], boot, stage)
        if isinstance(listed, (list, str)):
            return len(listed)
        raise NotKnown(f"not a list or a text: {ast.unparse(node.args[0])}")
    return _at_path(node, boot, stage)


def _combined(node: ast.BinOp, boot: Boot, stage: str) -> Any:  # noqa: ANN401
    if isinstance(node.op, ast.MatMult) and isinstance(node.right, ast.Name):
        return _value(node.left, boot, node.right.id)
    left, right = _value(node.left, boot, stage), _value(node.right, boot, stage)
    try:
        return _OPERATORS[type(node.op)](left, right)
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        raise NotKnown(f"can't be computed: {ast.unparse(node)}") from error


def _at_path(node: ast.expr, boot: Boot, stage: str) -> Any:  # noqa: ANN401
    """Return the value at a path such as `memory_map.entries[0].addr`."""
    keys = _keys(node)
    found: Any = _root(boot, stage, str(keys[0]))
    for key in keys:
        in_dict = isinstance(found, dict) and key in found and found[key] is not None
        in_list = isinstance(found, list) and isinstance(key, int) and 0 <= key < len(found)
        if not in_dict and not in_list:
            raise NotKnown(f"no value at stage {stage}: {ast.unparse(node)}")
        found = found[key]
    return found


def _keys(node: ast.expr) -> tuple[str | int, ...]:
    if isinstance(node, ast.Name):
        return (node.id,)
    if isinstance(node, ast.Attribute):
        return (*_keys(node.value), node.attr)
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
        key = node.slice.value
        if isinstance(key, int | str):
            return (*_keys(node.value), key)
    raise NotKnown(f"not a path: {ast.unparse(node)}")


def _root(boot: Boot, stage: str, name: str) -> Mapping[str, Any]:
    """Return what a path begins in: the whole boot, or the stop at a stage."""
    if name in _OF_BOOT:
        return {name: _of_boot(boot, name)}
    for capture in boot.stops:
        if capture.stage == stage:
            return _stop(_ById(capture))
    raise NotKnown(f"the boot has not reached stage {printable(stage)}")


def _of_boot(boot: Boot, name: str) -> Any:  # noqa: ANN401
    from pvhdbg.views.to_json import document_json

    if name == "kernel":
        return document_json.kernel(boot.kernel) if boot.kernel else None
    if name == "machine":
        return document_json.machine(boot.machine) if boot.machine else None
    if boot.document is None:
        return None
    if name == "outcome":
        return document_json.outcome(boot.document.outcome, ())
    from pvhdbg.checks.run import check_run

    found = check_run(boot.document).all
    if name == "findings":
        return [finding.code for finding in found]
    return {finding.code: document_json.finding(finding) for finding in reversed(found)}


@lru_cache(16)
def _stop(key: _ById) -> Mapping[str, Any]:
    from pvhdbg.views.to_json import document_json

    return document_json.stop(key.capture._replace(memory=()))


class _ById:
    """A capture as a key of the cache: captures contain mappings, which have no hash."""

    def __init__(self, capture: Capture) -> None:
        self.capture = capture

    def __hash__(self) -> int:
        return id(self.capture)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ById) and other.capture is self.capture
