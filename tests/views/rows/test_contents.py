"""Every key of a capture is in all tables that need it. These tests fail for a new key until all tables have it."""

from pvhdbg.boot.stop.capture import Capture, Hypercall
from pvhdbg.boot.stop.stages import CAPTURE_KEYS, STAGES
from pvhdbg.views.report import stop_text
from pvhdbg.views.rows import contents
from pvhdbg.views.to_json import document_json
from tests import build


def test_every_capture_key_is_valid_at_some_stage() -> None:
    assert set(CAPTURE_KEYS) == {key for stage in STAGES for key in stage.valid}


def test_every_capture_key_is_a_field_of_a_capture_and_of_its_json() -> None:
    """The keys of what only some boots have are left out if a stop has none."""
    call = Hypercall(rip=0, operation=9, room=128, buffer=0, paddr=0, result=0, nr_entries=0, raw=b"")
    capture = build.boot().stops[0]
    between = Capture._fields[Capture._fields.index("registers") + 1 : Capture._fields.index("memory")]

    assert CAPTURE_KEYS == between
    assert [*Capture._fields] == [
        key for key in document_json.stop(capture._replace(hypercall=call)) if key != "findings"
    ]
    assert "hypercall" not in document_json.stop(capture)


def test_every_capture_key_has_a_section_in_the_report_and_a_line_in_the_summary() -> None:
    assert [*CAPTURE_KEYS] == [*stop_text._SECTIONS] == [*contents._ADDRESS_AND_SUMMARY]


def test_the_kernels_copy_is_compared_with_start_info_if_there_are_both() -> None:
    capture = build.boot().stops[1]._replace(start_info=build.boot().stops[0].start_info)
    copy = capture.pvh_start_info
    assert copy is not None
    other = copy.__class__(copy.raw[:-1] + b"\1", copy.at)
    captures = (
        capture,
        capture._replace(pvh_start_info=other),
        capture._replace(start_info=None),
        capture._replace(pvh_start_info=None),
    )

    assert ["identical to start_info", "differs from start_info", "", ""] == [contents._copy(it)[1] for it in captures]
