"""The style of pages: light, dark, and light again when printed. The colors of pictures are in pictures.style."""

from __future__ import annotations

from pvhdbg.views.pictures import style

_COLORS = {
    # name: light, dark
    "page": ("#ffffff", "#14181f"),
    "text": ("#1b1f24", "#e2e8f0"),
    "quiet": ("#57606a", "#aab4c0"),
    "link": ("#0b5394", "#8cc8ff"),
    "edge": ("#c5ccd6", "#3c4858"),
    "head": ("#eef2f7", "#1e2631"),
    "error": ("#a40e26", "#ff9a94"),
    "warning": ("#7a4d00", "#ffc56b"),
    "target": ("#fff3c4", "#3d3413"),
}
_RULES = """
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 76rem; padding: 1rem 1.25rem 4rem; background: var(--page); color: var(--text);
  font: 1rem/1.5 system-ui, 'Liberation Sans', 'DejaVu Sans', sans-serif; }
h1 { font-size: 1.6rem; margin: 0.5rem 0; } h2 { font-size: 1.25rem; margin: 2rem 0 0.5rem; }
h3 { font-size: 1rem; margin: 1.25rem 0 0.25rem; }
a { color: var(--link); } :focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
code, pre, td, .mono { font-family: 'DejaVu Sans Mono', Menlo, Consolas, 'Liberation Mono', monospace; }
code, pre, table { font-size: 0.8125rem; }
.scroll { overflow-x: auto; margin: 0.5rem 0; } .quiet { color: var(--quiet); }
svg { display: block; height: auto; max-width: 100%; min-width: 56rem; }
pre { margin: 0.5rem 0; white-space: pre; }
p, li, h1, h2, h3, summary, .words { overflow-wrap: anywhere; }
figure { margin: 0.5rem 0 1.5rem; }
"""
_PRINTED = """
@media print {
  body { max-width: none; padding: 0; font-size: 10pt; }
  svg { min-width: 0; } .scroll { overflow: visible; } pre { white-space: pre-wrap; }
  figure, tr { break-inside: avoid; } h1, h2, h3, summary { break-after: avoid; }
  ::details-content { content-visibility: visible; block-size: auto; }
  button { display: none; }
}
"""


def css(more: str = "") -> str:
    """Return the style of a page: `more` has the rules of what only some pages have."""
    light, dark = ("".join(f"--{name}: {colors[at]}; " for name, colors in _COLORS.items()) for at in (0, 1))
    return (
        f":root {{ color-scheme: light; {light}}}\n"
        f"@media screen and (prefers-color-scheme: dark) {{ :root {{ color-scheme: dark; {dark}}} }}\n"
        f"{_RULES}{more}{_PRINTED}{style.css()}"
    )
