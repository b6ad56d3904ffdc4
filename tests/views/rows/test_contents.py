"""What a stop may hold is in every table that tells of it: whoever adds a thing is led to each."""

from pvhdbg.boot.stop.capture import Capture
from pvhdbg.boot.stop.stages import CAPTURE_KEYS, STAGES
from pvhdbg.views.report import stop_text
from pvhdbg.views.rows import contents
from pvhdbg.views.to_json import document_json
from tests import build


def test_a_thing_is_valid_at_some_stage() -> None:
    assert set(CAPTURE_KEYS) == {key for stage in STAGES for key in stage.valid}


def test_a_thing_is_a_part_of_a_capture_and_of_its_json() -> None:
    captured = build.boot().stops[0]
    between = Capture._fields[Capture._fields.index("registers") + 1 : Capture._fields.index("memory")]

    assert CAPTURE_KEYS == between
    assert [*Capture._fields] == [key for key in document_json.stop(captured) if key != "findings"]


def test_a_thing_has_a_section_and_a_line() -> None:
    assert [*CAPTURE_KEYS] == [*stop_text._SECTIONS] == [*contents._TOLD]
