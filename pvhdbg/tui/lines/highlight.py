"""Source lines and instructions as styled text: C, and assembly in AT&T syntax."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from pvhdbg.lazy_pattern import pattern
from pvhdbg.tui.lines import classes

if TYPE_CHECKING:
    from pvhdbg.tui.lines.line import Line

_KEYWORDS = (
    "auto|break|case|char|const|continue|default|do|double|else|enum|extern|float|for|goto|if|inline|int|long|register|"
    "restrict|return|short|signed|sizeof|static|struct|switch|typedef|union|unsigned|void|volatile|while|bool|true|"
    "false|u8|u16|u32|u64|s8|s16|s32|s64|__init|asm"
)
_COMMENT = r"(?P<comment>/\*.*?(?:\*/|$)|//.*$|^\s*\*(?!\w).*$)"
_LITERALS = r'(?P<string>"(?:[^"\\]|\\.)*"?)|(?P<number>\b(?:0x[0-9a-fA-F]+|[0-9]+)[uUlL]*\b)'
_C = pattern(rf"{_COMMENT}|{_LITERALS}|(?P<keyword>^\s*#\s*\w+|\b(?:{_KEYWORDS})\b)")
_ASSEMBLY = pattern(
    rf"{_COMMENT}|(?P<keyword>^\s*\.\w+|^\s*#\s*\w+)|(?P<mnemonic>^\s*(?:rep\w*\s+|lock\s+)?[a-z]\w*(?=\s|$))"
    rf"|(?P<register>%[a-z]\w*)|{_LITERALS}"
)
_INSTRUCTION = pattern(
    rf"(?P<mnemonic>^(?:rep\w*\s+|lock\s+)?[.a-z]\w*)|(?P<register>%\w+)|(?P<name><[^>]*>)|{_LITERALS}"
)
_CLASSES = {
    "comment": classes.CODE_COMMENT,
    "string": classes.CODE_STRING,
    "number": classes.CODE_NUMBER,
    "keyword": classes.CODE_KEYWORD,
    "mnemonic": classes.CODE_KEYWORD,
    "register": classes.CODE_REGISTER,
    "name": classes.CODE_NAME,
}


def source(text: str, path: str) -> Line:
    """Return a source line in colors."""
    return [*_styled(_ASSEMBLY if path.endswith((".S", ".s", ".asm")) else _C, text)]


def instruction(text: str) -> Line:
    """Return an instruction in colors."""
    return [*_styled(_INSTRUCTION, text)]


@lru_cache(1024)
def _styled(pattern: re.Pattern[str], text: str) -> tuple[tuple[str, str], ...]:
    parts: list[tuple[str, str]] = []
    at = 0
    for found in pattern.finditer(text):
        parts += [("", text[at : found.start()]), (_CLASSES[found.lastgroup or ""], found[0])]
        at = found.end()
    return tuple(part for part in (*parts, ("", text[at:])) if part[1])
