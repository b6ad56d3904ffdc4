"""re.compile, but a pattern is compiled when it is first used.

The modules have more than a hundred patterns, and most commands use only a few. Compiling one takes as long as
importing a small module. Type checkers see re.compile.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

__all__ = ["pattern"]

if TYPE_CHECKING:
    from re import compile as pattern
else:

    class pattern:  # noqa: N801 - it is called like a function
        """A pattern that has the attributes of the compiled one, each from its first use on."""

        def __init__(self, text, flags=0) -> None:  # noqa: ANN001 - type checkers do not see it
            self._arguments = (text, flags)

        def __getattr__(self, name):  # noqa: ANN001, ANN204
            value = getattr(re.compile(*self._arguments), name)
            setattr(self, name, value)
            return value
