"""`explain NAME` of a VMM shows each rule of its loader that it has, and no other."""

import pytest

from pvhdbg.views.explain.vmm_topics import _loader
from pvhdbg.vmm_profiles import table
from pvhdbg.vmm_profiles.profile import Loader

WORDS = {
    "lowest_e_entry": "e_entry below",
    "lowest_segment": "a segment below",
    "own_pages": "share a page",
    "entry_in_segment": "outside of all segments",
    "every_segment": "every program header",
    "holes": "no RAM at",
    "before": "before it loads the kernel",
}


@pytest.mark.parametrize("name", table.NAMES)
def test_the_rules_of_a_vmms_loader_are_explained(name: str) -> None:
    loader = table.profile(name).loader
    lines = "\n".join(_loader(loader))

    assert (loader is None) == (lines == "")
    assert loader is None or (loader.search in lines and loader.without_note in lines and loader.source in lines)
    for field, words in WORDS.items():
        assert (words in lines) == bool(getattr(loader, field, False)), field


def test_every_rule_has_words() -> None:
    assert {*Loader._fields} == {"search", "source", "without_note", *WORDS}
