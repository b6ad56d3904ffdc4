"""Recordings of real boots and a small one, with hostile values, missing and repeated parts, and damaged memory.

Each is loaded and shown as `pvhdbg show`, `diff` and the screen do.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from hypothesis import strategies as st

from pvhdbg.boot.record import compare
from pvhdbg.boot.record.document import Document
from pvhdbg.boot.record.replay import load
from pvhdbg.views.report import diff_text
from tests.boot.record import test_replay
from tests.fuzz import outputs
from tests.fuzz.elf import FOLDER, outcome
from tests.fuzz.numbers import Change, changed, changes, numbers
from tests.fuzz.outputs import Look, looks
from tests.fuzz.target import Target
from tests.paths import RECORDINGS, RECORDINGS_DIR

SMALL = "small"
BASES = (SMALL, *(path.name for path in RECORDINGS))
PARTS = ("kernel", "machine", "outcome", "stops", "registers", "memory", "symbols", "missing")
"""The parts of a document. The last four are parts of a stop."""
SET, DROP, REPEAT, BYTES = "set", "drop", "repeat", "bytes"
NAMES = ("", "x", "\x1b[31m", "\ud800", "rip", "boot_params", "_end", '"Linux version "', "start_info.magic", "e" * 300)

Edit = tuple[str, int, str, Any]
"""A part, which of its values, what to do with the value, and the new value, name or bytes."""
Input = tuple[str, int, list[Edit], list[Change], str, Look]
"""A document, its stops as bits, edits, damage to its text, the document to compare it with, and what is shown."""


def inputs() -> st.SearchStrategy[Input]:
    values = st.sampled_from(test_replay.HOSTILE + NAMES) | numbers(64)
    place = st.integers(0, 0xFFFF)
    part = st.sampled_from(PARTS)
    edit = st.one_of(
        st.tuples(part, place, st.just(SET), values),
        st.tuples(part, place, st.just(SET), numbers(64)),
        st.tuples(part, place, st.just(DROP), st.none()),
        st.tuples(part, place, st.just(REPEAT), st.sampled_from(NAMES)),
        st.tuples(st.just("memory"), place, st.just(BYTES), changes(3)),
        st.tuples(st.just("memory"), place, st.just(BYTES), changes(3)),
    )
    return st.tuples(
        st.sampled_from(BASES),
        st.sampled_from([1, 2, 3, 4, 8, 16, 18, 0, 31]),
        st.lists(edit, max_size=4),
        st.sampled_from([[]] * 9) | changes(2),
        st.sampled_from(BASES),
        looks(),
    )


@cache
def _text(name: str) -> str:
    """Return a document with only what decoding reads."""
    if name == SMALL:
        return json.dumps(test_replay.small())
    document = test_replay.stored(RECORDINGS_DIR / name)
    document["stops"] = [{key: stop[key] for key in test_replay.DECODED} for stop in document["stops"]]
    return json.dumps(document)


@cache
def _other(name: str) -> Document:
    path = FOLDER / "other.json"
    path.write_text(_text(name), "utf-8")
    return load(path)


def _places(document: Any, part: str) -> list[tuple[Any, Any]]:  # noqa: ANN401 - JSON
    """Return all values in a part of a document, each as its parent and its key."""
    roots = document["stops"] if part in test_replay.DECODED else [document]
    places: list[tuple[Any, Any]] = []
    waiting: list[tuple[Any, Any]] = [(root, part) for root in roots]
    for parent, key in waiting:
        places.append((parent, key))
        child = parent[key]
        keys = list(child) if isinstance(child, dict) else range(len(child)) if isinstance(child, list) else ()
        waiting += [(child, below) for below in keys]
    return places


def _edit(places: list[tuple[Any, Any]], edit: Edit) -> None:
    _, number, action, value = edit
    if action == BYTES:
        places = [(parent, key) for parent, key in places if key == "hex"]
    if not places:
        return
    parent, key = places[number * len(places) >> 16]
    if action == SET:
        parent[key] = value
    elif action == BYTES:
        parent[key] = changed(bytes.fromhex(parent[key]), value).hex()
    elif action == DROP:
        del parent[key]
    elif isinstance(parent, dict):
        parent[value] = parent[key]
    else:
        parent.insert(key, parent[key])


def file(value: Input) -> bytes:
    name, stops, edits, damage, _, _ = value
    document = json.loads(_text(name))
    document["stops"] = [stop for index, stop in enumerate(document["stops"]) if stops >> index & 1]
    for edit in edits:
        try:
            _edit(_places(document, edit[0]), edit)
        except (KeyError, TypeError, ValueError, AttributeError):  # an earlier edit removed that part
            continue
    return changed(json.dumps(document).encode(), damage)


def check(value: Input) -> str:
    path = FOLDER / "recording.json"
    path.write_bytes(file(value))
    loaded: list[Document] = []
    result = outcome(lambda: loaded.append(load(path)))
    for document in loaded:
        outputs.show(document, value[-1])
        if value[-1][0] == "json":
            outputs.check_again(document)
        for pair in ((_other(value[-2]), document), (document, _other(value[-2]))):
            outputs.check_text(diff_text.documents(compare.compare_runs(*pair)))
    return result


TARGET = Target("recordings", inputs(), check, frozenset({"read", "refused"}), seconds=10.0, in_tests=100)
