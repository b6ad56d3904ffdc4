"""From accesses to the writers and readers of a field."""

from __future__ import annotations

from pvhdbg.boot.who.access import COMPUTED, IMMEDIATE, REGISTER, Access, Origin
from pvhdbg.boot.who.answer import PVHDBG, Code
from pvhdbg.boot.who.attribution import Change, Observation, answers, unexplained
from pvhdbg.boot.who.fields import FieldBytes, Fields
from tests import build

CAPTURE = build.boot().stops[2]
FIELDS = Fields(CAPTURE)
(FIELD,) = FIELDS.find("boot_params.hdr.cmd_line_ptr")
(SOURCE,) = FIELDS.find("pvh_start_info.cmdline_paddr")
CLEAR = Access(0x100, "rep stosq", FIELD.paddr - 0x228, 4096, Origin(COMPUTED), bytes(4096))
COPY = Access(0x200, "mov %eax", FIELD.paddr, 4, Origin(REGISTER, SOURCE.paddr, 8), b"abcd")
READ = Access(0x300, "cmp", FIELD.paddr, 4, None)


def observed(*accesses: Access, changes: tuple[Change, ...] = ()) -> Observation:
    return Observation(accesses, changes, FIELDS)


def test_the_last_writer_comes_first_and_each_reader_once() -> None:
    (answer,) = answers(observed(CLEAR, READ, COPY, READ), [FIELD], Code)

    assert [0x200, 0x100] == [writer.code and writer.code.rip for writer in answer.writers]
    assert [(0x300, 2)] == [(reader.code.rip, reader.times) for reader in answer.readers]
    assert (SOURCE.path, None) == (answer.writers[0].origin, answer.writers[1].origin)


def test_only_the_bytes_of_the_field_are_shown_of_a_larger_write() -> None:
    copy = Access(0x200, "rep movsl", FIELD.paddr - 4, 8, Origin(REGISTER, SOURCE.paddr - 4, 8), b"....abcd")
    (answer,) = answers(observed(copy), [FIELD], Code)

    assert [(FIELD.paddr, 4, b"abcd", SOURCE.path)] == [
        (writer.paddr, writer.size, writer.data, writer.origin) for writer in answer.writers
    ]


def test_what_pvhdbg_wrote_at_the_entry_comes_before_all_instructions() -> None:
    (answer,) = answers(observed(COPY, changes=(Change(FIELD.paddr + 1, b"xyzzy"),)), [FIELD], Code)

    assert [("cpu", b"abcd"), (PVHDBG, b"xyz")] == [(writer.by, writer.data) for writer in answer.writers]
    assert IMMEDIATE == answer.writers[1].confidence


def test_final_bytes_that_no_observed_writer_left_are_unexplained() -> None:
    final = [b"abcd", b"abce"]

    assert [False, True] == [unexplained(observed(CLEAR, COPY), FIELD, data) for data in final]
    assert unexplained(observed(), FieldBytes("x", 0x10, 1), b"\0")


def test_zeros_with_which_a_smaller_value_was_extended_come_from_its_first_byte() -> None:
    (wide,) = FIELDS.find("boot_params.hdr.ramdisk_image")
    copy = Access(0x200, "movl", wide.paddr - 4, 8, Origin(REGISTER, SOURCE.paddr, 4), b"abcd\0\0\0\0")
    (answer,) = answers(observed(copy), [wide], Code)

    assert SOURCE.path == answer.writers[0].origin
