"""Make a mutant in this process: in functions that are loaded, or in a module before it is imported."""

from __future__ import annotations

import gc
from importlib.machinery import SourceFileLoader
from types import CodeType, FunctionType
from typing import TYPE_CHECKING

from tests.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.mutants.operators import Mutant


def change_functions(mutant: Mutant) -> bool:
    """Give all loaded functions around the change their new code, and return whether there are any.

    They begin before the change, so their lines are the same. Raises ValueError if a closure needs other variables.
    """
    path = str(ROOT / mutant.path)
    codes = {(code.co_firstlineno, code.co_qualname): code for code in _codes(_compiled(mutant, path))}
    gc.unfreeze()  # tests/conftest.py freezes the objects, which hides them
    loaded = (it for it in gc.get_objects() if isinstance(it, FunctionType) and it.__code__.co_filename == path)
    changed = False
    for function in loaded:
        old = function.__code__
        new = codes.get((old.co_firstlineno, old.co_qualname), old)
        if new != old and old.co_name != "<lambda>":  # a line can have several lambdas
            function.__code__ = new
            changed = True
    return changed


def change_module(mutant: Mutant) -> None:
    """Change the module when it is imported."""
    path, get_code = str(ROOT / mutant.path), SourceFileLoader.get_code

    def changed(self: SourceFileLoader, name: str) -> CodeType | None:
        return _compiled(mutant, path) if self.path == path else get_code(self, name)

    SourceFileLoader.get_code = changed  # type: ignore[assignment,method-assign]


def _compiled(mutant: Mutant, path: str) -> CodeType:
    return compile(mutant.mutated, path, "exec", dont_inherit=True)


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)
