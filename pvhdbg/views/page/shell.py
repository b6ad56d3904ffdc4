"""The frame of a page.

A page refers to no other file. Its security policy lets the browser load nothing at all, and run only the script and
use only the style whose hashes it names: even if guest text were not escaped somewhere, it could do nothing.
"""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from typing import TYPE_CHECKING

from pvhdbg.views.page import look
from pvhdbg.views.pictures.markup import element, to_html, verbatim

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pvhdbg.views.pictures.markup import Element


def page(title: str, body: Iterable[Element], more_style: str = "", script: str = "") -> str:
    """Return a whole page. `title` may have text from the guest."""
    style = look.css(more_style)
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_policy(style, script)),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", title),
        verbatim("style", style),
    )
    scripts = [verbatim("script", script)] if script else []
    return to_html(element("html", head, element("body", *body, *scripts), lang="en"))


def _policy(style: str, script: str) -> str:
    scripts = f" script-src '{_hash(script)}';" if script else ""
    return f"default-src 'none'; style-src '{_hash(style)}';{scripts} base-uri 'none'; form-action 'none'"


def _hash(code: str) -> str:
    return f"sha256-{b64encode(sha256(code.encode()).digest()).decode()}"


def scrolling(label: str, *content: Element) -> Element:
    """Return a box that scrolls sideways if its content is too wide, also with the keyboard."""
    return element("div", *content, class_="scroll", tabindex=0, role="region", aria_label=label)
