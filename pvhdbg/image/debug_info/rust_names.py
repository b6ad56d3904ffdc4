"""Find the symbol of a Rust function by its path, such as `ostd::boot::start_kernel`.

rustc has two forms of symbol names: the older one (`_ZN…17h<hash>E`) and v0 (`_R…`). A function that is not generic has
one of them. Hashes and disambiguators, which no one knows in advance, match any value.

Source: The rustc book, "v0 Symbol Format"; rustc compiler/rustc_symbol_mangling/src/legacy.rs.
"""

from __future__ import annotations

import re

SEPARATOR = "::"
_DISAMBIGUATOR = rb"(?:s[0-9A-Za-z]*_)?"
_SUFFIX = rb"(?:\.[0-9A-Za-z._$@]+)?"
"""What LLVM appends to the names of copies of a function."""


def is_path(name: str) -> bool:
    """Return whether a name is the path of a Rust function."""
    return SEPARATOR in name


def pattern(path: str) -> re.Pattern[bytes]:
    """Return a pattern that matches the mangled names of the function with this path, up to and with their NUL."""
    parts = [part.encode() for part in path.split(SEPARATOR)]
    older = b"_ZN" + b"".join(map(_identifier, parts)) + rb"17h[0-9a-f]{16}E"
    crate, *others = [_DISAMBIGUATOR + _identifier(part) for part in parts]
    v0 = b"_RNv" + b"Nt" * (len(parts) - 2) + b"C" + crate + b"".join(others)
    return re.compile(rb"(" + older + b"|" + v0 + rb")" + _SUFFIX + rb"(?=\0)")


def _identifier(part: bytes) -> bytes:
    """Return the pattern of a name in a path. In v0, an underscore may separate it from its length."""
    return b"%d_?%s" % (len(part), re.escape(part))
