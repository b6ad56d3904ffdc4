"""The same boots through gdb/MI, inside gdb and through QEMU's stub: equal documents."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from pvhdbg import guest
from pvhdbg.cli.launch import launched, launched_without_gdb
from pvhdbg.cli.options import parse
from pvhdbg.views.to_json import document_json
from tests.in_gdb import stock

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Launch = Callable[[Any], Any]

VOLATILE = ("argv",)
"""What differs between two starts of QEMU: the numbers of its file descriptors, for instance."""


def document(launch: Launch, words: list[str]) -> Any:  # noqa: ANN401 - JSON
    _, options = parse(["dump", *words])
    with launch(options) as session:
        session.session.run("e820")
        return comparable(json.loads(document_json.dumps(session.session.document())))


def comparable(loaded: Any) -> Any:  # noqa: ANN401 - JSON
    for name in VOLATILE:
        loaded["machine"].pop(name)
    return loaded


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("teaching", ["-M", "microvm"]),
        ("teaching", ["-M", "q35", "--protocol", "e820-module", "--set", "start_info.flags=1"]),
        ("6.1", ["-M", "microvm"]),
        ("6.12", ["-M", "pc"]),
        ("6.1-686", ["-M", "microvm"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(value),
)
def test_the_stub_gives_the_document_that_gdb_gives(
    name: str, words: list[str], find_vmlinux: Callable[[str], Path]
) -> None:
    kernel = [] if name == "teaching" else [str(find_vmlinux(name))]

    assert document(launched, [*kernel, *words]) == document(launched_without_gdb, [*kernel, *words])


def test_inside_gdb_the_stops_are_those_of_the_stub(tmp_path: Path) -> None:
    recording = tmp_path / "in-gdb.json"
    with stock.qemu(tmp_path, guest.ELF) as machine:
        stock.pvh(tmp_path, machine, "pvh run-to e820", f"pvh dump {recording}", symbols=guest.ELF)
    in_gdb = json.loads(recording.read_text("utf-8"))["stops"]

    assert in_gdb == document(launched_without_gdb, [])["stops"]
