"""Elements of SVG and HTML.

The standard library writes them: it escapes text as well as attributes, and the same element can be in an SVG file and
in an HTML page. Of the libraries for SVG, svg.py 1.10 escapes neither, drawsvg 2.4 does not escape attributes, and
svgwrite is no longer maintained. Everything under pvhdbg.views also runs inside gdb, which has no other libraries.
"""

from __future__ import annotations

from xml.etree import ElementTree as ET

from pvhdbg.abi.text import escape_unprintable

Element = ET.Element
SVG_NAMESPACE = "http://www.w3.org/2000/svg"


def element(tag: str, *children: Element | str, **attributes: str | float) -> Element:
    """Return an element. In the names of attributes, `_` stands for `-`, and a trailing `_` is dropped: `class_`.

    Characters that are not printable are escaped, so that no text makes the file invalid or changes its direction.
    """
    made = Element(
        tag,
        {name.removesuffix("_").replace("_", "-"): _escaped(_text(value)) for name, value in attributes.items()},
    )
    for child in children:
        add(made, child)
    return made


def add(parent: Element, child: Element | str) -> None:
    """Add an element, or text, at the end of `parent`."""
    if not isinstance(child, str):
        parent.append(child)
    elif len(parent):
        parent[-1].tail = (parent[-1].tail or "") + _escaped(child)
    else:
        parent.text = (parent.text or "") + _escaped(child)


def _escaped(text: str) -> str:
    """Return text with its newlines, but without other characters that are not printable."""
    return "\n".join(map(escape_unprintable, text.split("\n")))


def verbatim(tag: str, code: str) -> Element:
    """Return a `style` or `script` element. Its text is pvhdbg's own, and is not changed in any way."""
    made = Element(tag)
    made.text = code
    return made


def _text(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.6g}"


def to_svg(svg: Element) -> str:
    """Return an SVG file."""
    return f"{ET.tostring(svg, encoding='unicode')}\n"


def to_html(html: Element) -> str:
    """Return an HTML page."""
    return f"<!DOCTYPE html>\n{ET.tostring(html, encoding='unicode', method='html')}\n"
