"""The colors of pictures: light, dark, and light again when printed.

Each class of shapes has one rule for each color scheme. CSS variables would be shorter, but programs other than
browsers do not know them.
"""

from __future__ import annotations

from pvhdbg.named_tuple import NamedTuple
from pvhdbg.views.rows.memory_picture import NOT_LISTED, OVERLAP, UNKNOWN


class Paint(NamedTuple):
    """The color of a class of shapes: `property` is fill or stroke."""

    property: str
    light: str
    dark: str


PAGE = Paint("fill", "#ffffff", "#14181f")
TEXT = Paint("fill", "#1b1f24", "#e2e8f0")
KINDS = {
    "RAM": Paint("fill", "#a5d8b4", "#1f6d3f"),
    "RESERVED": Paint("fill", "#c9ced6", "#4b5563"),
    "ACPI": Paint("fill", "#ffd48a", "#7a4d00"),
    "NVS": Paint("fill", "#f7b58f", "#8a3f12"),
    "UNUSABLE": Paint("fill", "#f0a3a3", "#8b2525"),
    "DISABLED": Paint("fill", "#dcc7ee", "#5a3d7a"),
    "PMEM": Paint("fill", "#a9cdf5", "#1f4f8a"),
    "PRAM": Paint("fill", "#b9dcf0", "#235a73"),
    "SOFT_RESERVED": Paint("fill", "#d8dcae", "#5b5f1e"),
    UNKNOWN: Paint("fill", "#f3c6e0", "#7d2a5c"),
    OVERLAP: Paint("fill", "#ff8f8f", "#a11d1d"),
    NOT_LISTED: Paint("fill", "#f6f7f9", "#1d232c"),
}
"""A color for each kind of memory that a map can list."""

_PAINTS = {
    ".page": PAGE,
    "text": TEXT,
    "text.quiet": Paint("fill", "#57606a", "#aab4c0"),
    "text.bad": Paint("fill", "#a40e26", "#ff9a94"),
    "text.new": Paint("fill", "#0b5394", "#8cc8ff"),
    ".box": Paint("fill", "#f3f6fa", "#1e2631"),
    ".head": Paint("fill", "#d9e5f5", "#2b3d55"),
    ".bad-box": Paint("fill", "#fdeaea", "#3a1d20"),
    ".changed": Paint("fill", "#d7eaff", "#173a5e"),
    ".bad-dot": Paint("fill", "#a40e26", "#ff9a94"),
    ".place": Paint("fill", "#0b5394", "#8cc8ff"),
    ".tip": Paint("fill", "#0b5394", "#8cc8ff"),
}
_STROKES = {
    ".box, .edge, .framed": Paint("stroke", "#8592a3", "#66758a"),
    ".bad-box": Paint("stroke", "#a40e26", "#ff9a94"),
    ".leader": Paint("stroke", "#8592a3", "#8592a3"),
    ".arrow": Paint("stroke", "#0b5394", "#8cc8ff"),
    ".axis": Paint("stroke", "#57606a", "#aab4c0"),
}
_FIXED = (
    "text { font: 12px 'DejaVu Sans Mono', Menlo, Consolas, 'Liberation Mono', monospace; white-space: pre; }"
    "text.title { font-weight: bold; } .edge, .arrow { fill: none; } .arrow { stroke-width: 1.5; }"
    ".bad-box, .dashed { stroke-dasharray: 4 3; }"
)


def kind_class(kind: str) -> str:
    """Return the CSS class of a kind of memory."""
    return "kind-" + kind.lower().replace(" ", "-").replace("_", "-")


def css() -> str:
    """Return the rules for all classes of shapes in pictures."""
    kinds = {f".{kind_class(kind)}": paint for kind, paint in KINDS.items()}
    paints = [*kinds.items(), *_PAINTS.items(), *_STROKES.items()]
    light = " ".join(f"{name} {{ {paint.property}: {paint.light}; }}" for name, paint in paints)
    dark = " ".join(f"{name} {{ {paint.property}: {paint.dark}; }}" for name, paint in paints)
    return f"{_FIXED} {light} @media screen and (prefers-color-scheme: dark) {{ {dark} }}"
