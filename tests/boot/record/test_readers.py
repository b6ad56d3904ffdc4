"""Which differences a guest reads: what Linux's copy of start_info changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.boot.record.compare import Change, Comparison, StageChanges
from pvhdbg.boot.record.readers import read_changes
from pvhdbg.boot.who.access import REGISTER
from pvhdbg.boot.who.answer import CPU, Answer, Code, Reader, Writer
from tests import build

if TYPE_CHECKING:
    from pvhdbg.boot.record.document import Document

COPY, USE, OTHER = (Code(number, name) for number, name in ((1, "copy+0x1"), (2, "use+0x2"), (3, "other")))
FLAGS = Change("start_info.flags", 0, 1)


def answer(path: str, *readers: Code, writers: tuple[Code, ...] = ()) -> Answer:
    wrote = tuple(Writer(CPU, code, "rep movsd", 0, 4, b"\0" * 4, "start_info.flags", REGISTER) for code in writers)
    return Answer(path, 0, 4, wrote, tuple(Reader(code, "mov", 1) for code in readers))


def document(*answers: Answer) -> Document:
    return build.boot()._replace(who=answers)


def functions(*documents: Document, change: Change = FLAGS, stage: str = "entry") -> list[tuple[str, ...]]:
    compared = Comparison((), (StageChanges(stage, (change,)),))
    before, after = documents if len(documents) == 2 else (build.boot(), *documents)
    return [item.functions for item in read_changes(compared, before, after)]


def test_the_copy_is_no_reader_but_what_reads_the_copy_is() -> None:
    copied = answer("start_info.flags", COPY)
    unused = answer("pvh_start_info.flags", writers=(COPY,))
    used = answer("pvh_start_info.flags", USE, writers=(COPY,))

    assert [()] == functions(document(copied, unused))
    assert [("use",)] == functions(document(copied, used))
    assert [("other", "use")] == functions(document(answer("start_info.flags", COPY, OTHER), used))


def test_without_a_copy_every_reader_counts() -> None:
    assert [("copy",)] == functions(document(answer("start_info.flags", COPY)))


def test_a_reader_in_either_run_counts_once() -> None:
    assert [("use",)] == functions(document(answer("start_info.flags", USE)), document(answer("start_info.flags", USE)))
    assert [("use",)] == functions(document(answer("start_info.flags")), document(answer("start_info.flags", USE)))


def test_a_whole_record_is_read_if_one_of_its_fields_is() -> None:
    fields = document(answer("modules[1].paddr"), answer("modules[1].size", USE), answer("modules[10].size", OTHER))

    assert [("use",)] == functions(fields, change=Change("modules[1]", 0, 1))


def test_differences_of_which_nothing_is_known_and_of_later_stages_are_left_out() -> None:
    known = document(answer("start_info.flags", USE))

    assert [] == functions(known, change=Change("start_info.paddr", 0, 1))
    assert [] == functions(known, stage="prepare")
    assert [] == functions(build.boot(), build.boot())
