"""From accesses to the writers and readers of a field."""

from __future__ import annotations

from pvhdbg.boot.who.access import COMPUTED, DMA, IMMEDIATE, PERHAPS, REGISTER, Access, Origin
from pvhdbg.boot.who.answer import CPU, FIRMWARE_DMA, PVHDBG, Code
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

    assert [[], [FIELD.path]] == [wrong(observed(CLEAR, COPY), FIELD, data) for data in final]


def test_memory_of_the_vmm_is_zero_after_the_reset_but_what_the_kernel_builds_needs_a_writer() -> None:
    handed = FieldBytes("cmdline", 0x10, 1)
    by_firmware = Observation((), (), FIELDS, (Access(0x400, "mov", 0x10, 1, Origin(PERHAPS), b"x", "qboot"),))

    assert [[], ["cmdline"]] == [wrong(observed(), handed, data) for data in (b"\0", b"x")]
    assert [] == wrong(by_firmware, handed, b"x")
    assert [FIELD.path] == wrong(observed(), FIELD, bytes(4))


def test_what_a_guest_that_died_never_wrote_is_what_was_loaded() -> None:
    dead = observed()._replace(loaded=(Change(FIELD.paddr, b"ELF!"),))

    assert [[], [FIELD.path]] == [wrong(dead, FIELD, data) for data in (b"ELF!", b"abcd")]


def wrong(observation: Observation, field: FieldBytes, final: bytes) -> list[str]:
    return list(unexplained(observation, [field], lambda _paddr, _size: final))


def test_firmware_comes_before_pvhdbg_and_its_dma_has_no_code() -> None:
    dma = Access(0x400, "fw_cfg item 0x15", SOURCE.paddr - 1, 10, Origin(DMA), b".source...", "qboot")
    store = Access(0x500, "mov", SOURCE.paddr, 8, Origin(IMMEDIATE), b"12345678", "qboot")
    changes = (Change(SOURCE.paddr, b"abcdefgh"),)
    (answer,) = answers(Observation((), changes, FIELDS, (store, dma)), [SOURCE], Code)

    assert [PVHDBG, FIRMWARE_DMA, CPU] == [writer.by for writer in answer.writers]
    assert (None, Code(0x500, "qboot")) == (answer.writers[1].code, answer.writers[2].code)
    assert (b"source..", DMA) == (answer.writers[1].data, answer.writers[1].confidence)


def test_the_last_writers_are_those_of_the_final_bytes() -> None:
    high = Access(0x600, "mov", SOURCE.paddr + 4, 4, Origin(IMMEDIATE), bytes(4))
    low = Access(0x500, "mov", SOURCE.paddr, 4, Origin(PERHAPS), bytes(4))
    (answer,) = answers(observed(CLEAR, low, high), [SOURCE], Code)
    (whole,) = answers(observed(low, CLEAR), [FIELD], Code)

    assert [0x500, 0x600] == [writer.code and writer.code.rip for writer in answer.last_writers]
    assert [0x100] == [writer.code and writer.code.rip for writer in whole.last_writers]


def test_zeros_with_which_a_smaller_value_was_extended_come_from_its_first_byte() -> None:
    (wide,) = FIELDS.find("boot_params.hdr.ramdisk_image")
    copy = Access(0x200, "movl", wide.paddr - 4, 8, Origin(REGISTER, SOURCE.paddr, 4), b"abcd\0\0\0\0")
    (answer,) = answers(observed(copy), [wide], Code)

    assert SOURCE.path == answer.writers[0].origin
