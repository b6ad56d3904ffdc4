"""Who wrote and who reads boot data, as text."""

from __future__ import annotations

from pvhdbg.boot.who.answer import CPU, FIRMWARE_DMA, PVHDBG, Answer, Code, Reader, WhoResult, Writer
from pvhdbg.views.report import who_text

SOURCE = Code(0x1234, "xen_prepare_pvh+0x34", ("init_pvh_bootparams",), "arch/x86/enlighten.c:77")
COPY = Writer(CPU, SOURCE, "movl %eax, (%rdi)", 0x2000, 4, b"\x60\xfc\x0e\0", "start_info.cmdline_paddr", "register")
FIELD = Answer("boot_params.hdr.cmd_line_ptr", 0x2000, 4, (COPY,), ())
INPUT = Answer("start_info.cmdline_paddr", 0x3000, 8, (), (Reader(Code(0x99), "rep movsl", 3),))


def text(*answers: Answer) -> str:
    return "\n".join(who_text.details(answers, {answer.path: answer for answer in (FIELD, INPUT)}))


def test_a_field_has_its_writer_the_input_and_the_chain() -> None:
    expected = """\
boot_params.hdr.cmd_line_ptr: 4 bytes at 0x2000
  written  0xefc60 by init_pvh_bootparams (inlined in xen_prepare_pvh), arch/x86/enlighten.c:77
           movl %eax, (%rdi)  at 0x1234 xen_prepare_pvh+0x34
           register: the value of start_info.cmdline_paddr
  chain    boot_params.hdr.cmd_line_ptr <- init_pvh_bootparams enlighten.c:77 <- start_info.cmdline_paddr
  not read up to the return from xen_prepare_pvh"""

    assert expected == text(FIELD)


def test_readers_are_counted_and_a_field_without_a_writer_says_so() -> None:
    expected = """\
start_info.cmdline_paddr: 8 bytes at 0x3000
  not written since the reset
  read     0x99: rep movsl, 3 times"""

    assert expected == text(INPUT)


def test_doubt_is_shown_and_ends_the_chain() -> None:
    doubtful = FIELD._replace(writers=(COPY._replace(confidence="perhaps"),))

    assert "perhaps: perhaps the value of start_info.cmdline_paddr" in text(doubtful)
    assert "<- start_info" not in text(doubtful)


def test_a_field_that_is_its_own_source_does_not_repeat_itself_for_ever() -> None:
    own = FIELD._replace(writers=(COPY._replace(origin=FIELD.path),))

    assert 1 == text(own).count("chain")


def test_pvhdbg_and_the_device_are_named_as_writers() -> None:
    writers = tuple(COPY._replace(by=by, code=None, origin=None) for by in (PVHDBG, FIRMWARE_DMA))
    shown = text(FIELD._replace(writers=writers))

    assert "by pvhdbg (--set, --protocol or --vmm)" in shown
    assert "by QEMU's fw_cfg device (DMA)" in shown


def test_a_field_that_two_instructions_wrote_shows_the_first_byte_and_the_least_certainty() -> None:
    low = Writer(CPU, Code(0xF0CCC, "qboot"), "movl %ebx, 0x3000", 0x3000, 4, b"\x60\xfc\x0e\0", None, "perhaps")
    high = low._replace(code=Code(0xF0CD2, "qboot"), paddr=0x3004, data=bytes(4), confidence="immediate")
    copied = FIELD._replace(writers=(COPY,))
    answers = INPUT._replace(writers=(high, low))
    chain = "\n".join(who_text.details([copied], {INPUT.path: answers}))

    assert ["qboot", "0xf0ccc", "perhaps", "1", "reader"] == who_text.table([answers])[1].split()[1:]
    assert "<- start_info.cmdline_paddr <- qboot 0xf0ccc" in chain
    assert 2 == text(answers).count("  written  ")
    assert "  earlier  " not in text(answers)


def test_a_write_that_was_overwritten_is_an_earlier_one() -> None:
    before = COPY._replace(data=bytes(4), instruction="movl $0, 0x2000")
    shown = text(FIELD._replace(writers=(COPY, before)))

    assert shown.index("  written  ") < shown.index("  earlier  ")
    assert (1, 1) == (shown.count("  written  "), shown.count("  earlier  "))


def test_the_bytes_of_a_partial_write_are_named() -> None:
    assert "0xefc60 (4 bytes at +0x4)" in text(FIELD._replace(paddr=0x1FFC, size=8))


def test_many_earlier_writes_are_cut() -> None:
    shown = text(FIELD._replace(writers=(COPY,) * 30))

    assert "… and 21 earlier writes" in shown


def test_hostile_names_are_escaped() -> None:
    evil = "\x1b[2J\n"
    code = Code(1, evil, (evil,), evil)
    hostile = Answer(evil, 1, 4, (COPY._replace(code=code, instruction=evil, origin=evil),), (Reader(code, evil, 1),))
    lines = [*who_text.details([hostile], {}), *who_text.table([hostile]), *who_text.unread([hostile])]

    assert [] == [line for line in lines if not line.isprintable()]


def test_the_table_counts_the_fields_that_were_only_cleared() -> None:
    cleared = FIELD._replace(writers=(COPY._replace(instruction="rep stosq %rax, (%rdi)", origin=None),))
    lines = who_text.table([FIELD, cleared, cleared, INPUT])

    assert 4 == len(lines)
    assert "2 fields of boot_params: written only by the instruction that clears it" == lines[-1]


def test_a_long_path_does_not_break_the_columns_of_the_table() -> None:
    long = FIELD._replace(path="kernel_boot_params.screen_info.orig_video_ega_bx")
    heading, *rows = who_text.table([FIELD, long, INPUT, INPUT, INPUT])
    column = heading.index("last writer")

    assert {"  "} == {row[column - 2 : column] for row in rows}
    assert column == len(long.path) + 2


def test_fields_that_were_not_read_are_listed() -> None:
    heading, row = who_text.unread([INPUT])

    assert heading.startswith("not read up to the return from xen_prepare_pvh")
    assert "  start_info.cmdline_paddr  8 bytes  0x3000" == row
    assert ["every field was read"] == who_text.unread([])


def test_the_answer_about_a_guest_that_died_says_that_it_ends_there() -> None:
    dead = WhoResult((FIELD,), {}, ended="triple fault at 0x1000 \x1b, after stage prepare")

    assert "  not read before the guest died" == who_text.lines(FIELD.path, dead)[-1]
    assert who_text.lines("--unread", dead)[0].startswith("not read before the guest died; ")
    assert [
        "the observed guest died, and the answer ends there: triple fault at 0x1000 \\x1b, after stage prepare"
    ] == who_text.remarks(dead)
