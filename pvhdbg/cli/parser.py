"""The parser of the shell's options: argparse, but errors are exceptions, and an option with a value is given once."""

from __future__ import annotations

import argparse
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

from pvhdbg.cli.result import HelpText
from pvhdbg.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence


vars(argparse)["_"] = str  # never translate argparse's messages: it would import `locale`, which takes 2 ms


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """A formatter that makes help 100 columns wide. argparse makes one for each argument that is added to a parser."""

    def __init__(self, prog: str, columns: int = 100) -> None:
        super().__init__(prog, width=columns - 2)


class _Once(argparse._StoreAction):  # noqa: SLF001 - argparse treats positionals of this class in its own way
    """An option with a value. Given twice, it is an error: one of the two values would have no effect."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: object, option: str | None = None
    ) -> None:
        if option is not None and isinstance(parser, Parser) and not parser.is_first(self.dest, namespace):
            raise argparse.ArgumentError(self, "given more than once")
        setattr(namespace, self.dest, values)


class Parser(argparse.ArgumentParser):
    """An ArgumentParser that raises exceptions and prints nothing itself.

    If `is_merging` is set, a later option replaces an earlier one: the options come from several places.
    """

    is_merging = False

    def __init__(self, prog: str, **words: Any) -> None:  # noqa: ANN401 - argparse's own arguments
        super().__init__(prog, **words)
        self._given: tuple[argparse.Namespace | None, set[str]] = (None, set())
        for name in (None, "store"):
            self.register("action", name, _Once)

    def is_first(self, name: str, namespace: argparse.Namespace) -> bool:
        """Return whether an option is given for the first time since the parser got this namespace."""
        if self._given[0] is not namespace:
            self._given = (namespace, set())
        given = self._given[1]
        is_first = self.is_merging or name not in given
        given.add(name)
        return is_first

    def error(self, message: str) -> NoReturn:
        raise UserError(message, f"see `{self.prog} --help`")

    def format_usage(self) -> str:
        self._fit_terminal()
        return super().format_usage()

    def format_help(self) -> str:
        self._fit_terminal()
        return super().format_help()

    def _fit_terminal(self) -> None:
        """Make help at most 100 columns wide, even on a wider terminal."""
        from shutil import get_terminal_size

        self.formatter_class = partial(HelpFormatter, columns=min(100, get_terminal_size().columns))

    def _print_message(self, message: str, _file: object = None) -> NoReturn:
        raise HelpText(message)


def parse_of_file(parser: Parser, words: Sequence[str]) -> argparse.Namespace:
    """Return the options that a chapter or a lab has.

    :raise UserError: for unknown or invalid options, and for those that print something instead, such as --help.
    """
    try:
        return parser.parse_args(words)
    except HelpText as text:
        raise UserError("an option that only prints something") from text
