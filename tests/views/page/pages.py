"""Read a page again, with another parser."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import NamedTuple

Attributes = dict[str, str]


class Element(NamedTuple):
    """A start tag, its attributes, and the ids of the elements around it."""

    tag: str
    attributes: Attributes


class Page(HTMLParser):
    """The elements and the text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[Element] = []
        self.words: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(Element(tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return "".join(self.words)

    def values(self, attribute: str) -> list[str]:
        """Return the values of an attribute, in the order of the page."""
        return [each.attributes[attribute] for each in self.elements if attribute in each.attributes]

    def count(self, tag: str) -> int:
        return sum(each.tag == tag for each in self.elements)
