"""The same boots through gdb/MI, inside gdb, through QEMU's stub and first one, then the other: equal documents."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from pvhdbg import guest
from pvhdbg.boot.run.stop_recorder import NO_SERIAL
from pvhdbg.cli.launch import launched, launched_without_gdb
from pvhdbg.cli.options import parse
from pvhdbg.views.to_json import document_json
from tests.in_gdb import stock
from tests.qboot import QBOOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pvhdbg.live.debuggee.debuggee import Debuggee

    Launch = Callable[[Any], Any]

VOLATILE = ("argv",)
"""What differs between two starts of QEMU: the numbers of its file descriptors, for instance."""


@contextmanager
def by_gdb(options: Any) -> Iterator[Debuggee]:  # noqa: ANN401 - argparse's namespace
    """Start a machine, and let gdb take it over at the reset vector."""
    with launched(options) as debuggee:
        debuggee.take_over()
        yield debuggee


@contextmanager
def by_both(options: Any) -> Iterator[Debuggee]:  # noqa: ANN401 - argparse's namespace
    """Start a machine, and let gdb take it over at its first stop."""
    with launched(options) as debuggee:
        debuggee.to_first_stop()
        debuggee.take_over()
        yield debuggee


def document(launch: Launch, words: list[str]) -> Any:  # noqa: ANN401 - JSON
    _, options = parse(words)
    with launch(options) as session:
        session.session.journey.recorder.reads_log = True  # as for a run that becomes a document
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

    by_stub = document(launched_without_gdb, [*kernel, *words])

    assert by_stub == document(by_gdb, [*kernel, *words])
    assert by_stub == document(by_both, [*kernel, *words])


def test_inside_gdb_the_stops_are_those_of_the_stub(tmp_path: Path) -> None:
    recording = tmp_path / "in-gdb.json"
    with stock.qemu(tmp_path, guest.ELF) as machine:
        stock.pvh(tmp_path, machine, "pvh run-to e820", f"pvh dump {recording}", symbols=guest.ELF)
    in_gdb = json.loads(recording.read_text("utf-8"))["stops"]

    assert in_gdb == [without_serial(stop) for stop in document(launched_without_gdb, ["--", *QBOOT])["stops"]]


def without_serial(stop: dict[str, Any]) -> dict[str, Any]:
    """Return a stop as gdb sees it, without the serial output."""
    return {**stop, "serial": None, "missing": {**stop["missing"], "serial": NO_SERIAL}}
