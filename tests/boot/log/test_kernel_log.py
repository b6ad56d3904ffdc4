"""The kernel's log, decoded from ring buffers that are written here as the kernel writes them."""

from __future__ import annotations

import pytest

from pvhdbg.abi import printk
from pvhdbg.boot.log import kernel_log, records
from pvhdbg.boot.log.kernel_log import KernelLog, read_kernel_log, stored_log
from pvhdbg.boot.stop.capture import LogLine
from pvhdbg.errors import NotConnected
from pvhdbg.image.facts import Segment
from pvhdbg.target.recording import Recording
from tests import build
from tests.boot.log.ring import DESCS, INFOS, PRB, RESERVED, RING, Ring, guest_with
from tests.build import DIRECT_MAP, KERNEL_MAP, Guest


def read(guest: Guest) -> KernelLog:
    target = Recording(guest.memory.ranges(), guest.registers, guest.symbols)
    return read_kernel_log(target, guest.registers, guest.image)


def texts(guest: Guest) -> list[str]:
    log = read(guest)
    assert log.missing is None
    return [line.text for line in log.lines]


def test_lines_have_their_time_level_and_text() -> None:
    guest = guest_with(Ring().add(b"first", 0, 5).add(b"second", 1_234_567_890, 4))

    assert KernelLog((LogLine(0, 5, "first"), LogLine(1_234_567_890, 4, "second"))) == read(guest)
    assert "[    1.234567] second" == read(guest).lines[1].stamped


@pytest.mark.parametrize("exact_fit", [False, True])
@pytest.mark.parametrize("has_last", [False, True])
@pytest.mark.parametrize("count", [0, 1, 2, 15, 16, 17, 40, 1000])
def test_the_newest_messages_are_read_however_often_the_rings_have_wrapped(
    count: int, *, has_last: bool, exact_fit: bool
) -> None:
    ring = Ring(has_last=has_last, exact_fit=exact_fit)
    messages = [b"message %d " % number + b"x" * (number * 7 % 29) for number in range(count)]
    for message in messages:
        ring.add(message)
    ring.drop_overwritten()
    log = read(guest_with(ring))
    kept = [state for state, _, _ in ring.descs if state >> 62 == 2]

    assert [message.decode() for message in messages[count - len(kept) :]] == [line.text for line in log.lines]
    assert (count - len(kept), None) == (log.dropped, log.missing)
    assert len(kept) >= min(count, 9)


def test_a_block_that_ends_where_the_data_ring_ends_is_whole_in_both_kinds_of_kernels() -> None:
    for exact_fit in (False, True):
        ring = Ring(size_bits=7, exact_fit=exact_fit).add(b"a" * 56).add(b"b" * 56)

        assert (["b" * 56] if not exact_fit else ["a" * 56, "b" * 56]) == texts(guest_with(ring.drop_overwritten()))


def test_a_32_bit_kernel_has_smaller_words() -> None:
    for has_last in (False, True):
        guest = build.Guest(build.linux()._replace(elf_class=32, segments=(Segment(0, 0xC0000000, 1 << 28, 1 << 28),)))
        Ring(word=4, has_last=has_last, base=0xC0000000).add(b"one").add(b"two").put(guest)

        assert ["one", "two"] == texts(guest)


@pytest.mark.parametrize(("word", "size", "base"), [(8, 112, KERNEL_MAP), (4, 108, 0xC0000000)])
def test_a_kernel_may_record_the_task_of_each_message(word: int, size: int, base: int) -> None:
    segment = Segment(0, base, 1 << 28, 1 << 28)
    guest = build.Guest(build.linux()._replace(elf_class=8 * word, segments=(segment,)))
    Ring(word=word, info_size=size, base=base).add(b"one").add(b"two").add(b"three").put(guest)

    assert ["one", "two", "three"] == texts(guest)


def test_a_ring_that_the_kernel_has_allocated_is_read_through_the_page_tables() -> None:
    guest = build.linux_guest()
    build.page_tables(guest)
    Ring(base=DIRECT_MAP + 0x4000000).add(b"moved").put(guest, paddr=0x4000000)

    assert ["moved"] == texts(guest)


def test_an_empty_message_and_a_message_of_several_lines_are_shown() -> None:
    ring = Ring().add(b"").add(b"a\nb", 7).add(b"", 8)

    assert [(0, ""), (7, "a"), (7, "b"), (8, "")] == [(line.ns, line.text) for line in read(guest_with(ring)).lines]


def test_a_message_that_is_still_being_written_is_not_shown() -> None:
    ring = Ring().add(b"complete").add(b"incomplete", state=RESERVED)

    assert ["complete"] == texts(guest_with(ring))


@pytest.mark.parametrize("id_bits", [0xFFFFFFFF, (1 << 64) - 1])
def test_before_the_first_message_the_log_is_empty(id_bits: int) -> None:
    assert KernelLog() == read(guest_with(Ring(id_bits=id_bits)))
    assert ["one"] == texts(guest_with(Ring(id_bits=id_bits).add(b"one")))


def test_bytes_that_are_not_text_are_kept() -> None:
    assert ["\x1b[2J\xff\x00"] == texts(guest_with(Ring().add(b"\x1b[2J\xff\0")))


def damaged(paddr: int, data: bytes, ring: Ring | None = None) -> KernelLog:
    guest = guest_with(ring or Ring().add(b"one").add(b"two").add(b"three"))
    guest.put(paddr, data)
    return read(guest)


@pytest.mark.parametrize(
    ("paddr", "data"),
    [
        (RING, b"\0"),  # count_bits
        (RING, b"\x20"),
        (RING + 24, b"\xff" * 8),  # head_id
        (RING + 24, b"\0" * 8),
        (RING + 48, b"\0"),  # size_bits
        (INFOS, b"\1"),  # the sequence number of the first message
        (INFOS + 88, b"\xff" * 8),
        (DESCS + 24 + 8, b"\0" * 8),  # where the text of the second message begins
        (DESCS, b"\0" * 24 * 16),
    ],
)
def test_memory_that_is_not_a_ring_buffer_has_an_unknown_layout(paddr: int, data: bytes) -> None:
    assert kernel_log.UNKNOWN_LAYOUT == damaged(paddr, data).missing


def test_the_reason_for_a_missing_log_is_given() -> None:
    guest = guest_with(Ring())

    assert kernel_log.NOT_LOADED == damaged(PRB, b"\0" * 8).missing
    guest.symbols.clear()
    assert kernel_log.NO_RING == read(guest).missing
    assert "not captured: 88 bytes at 0x3702300" == damaged(PRB, (KERNEL_MAP + 0x3702300).to_bytes(8, "little")).missing


def test_a_machine_that_is_gone_is_an_error_and_not_an_empty_log() -> None:
    class Gone(Recording):
        def read_phys(self, paddr: int, size: int) -> bytes:  # noqa: ARG002  the protocol's signature
            raise NotConnected("QEMU has exited")

    guest = guest_with(Ring())

    with pytest.raises(NotConnected):
        read_kernel_log(Gone((), guest.registers, guest.symbols), guest.registers, guest.image)


def test_the_layout_in_the_debug_information_comes_first() -> None:
    guest = guest_with(Ring().add(b"one").add(b"two"))
    known = printk.known_layouts(8)[0]
    numbers = {printk.size_name(structure): getattr(known, name) for name, structure in printk.SIZES.items()}
    for name, (*outer, inner) in printk.MEMBERS.items():
        numbers |= {printk.offset_name(*member): 0 for member in outer}
        numbers[printk.offset_name(*inner)] = getattr(known, name)
    guest.symbols |= numbers | {"offsetof(struct prb_data_blk_lpos, begin)": 8}

    assert ["one", "two"] == texts(guest)
    guest.symbols["offsetof(struct printk_info, seq)"] = 16
    assert kernel_log.UNKNOWN_LAYOUT == read(guest).missing
    guest.symbols["sizeof(struct printk_info)"] = 1 << 40
    assert ["one", "two"] == texts(guest)


@pytest.mark.parametrize("seed", range(40))
def test_any_memory_is_decoded_or_refused(seed: int) -> None:
    guest = guest_with(Ring().add(b"one").add(b"two"))
    log = read_kernel_log(build.RandomTarget(seed), guest.registers, guest.image)

    assert (log.missing is None) == bool(log.lines)


def test_the_numbers_of_records_lines_and_bytes_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    ring = Ring(count_bits=6, size_bits=12)
    for number in range(60):
        ring.add(b"%02d\nx" % number)
    guest = guest_with(ring)

    monkeypatch.setattr(records, "MAX_RECORDS", 5)
    assert (55, ["55", "x"]) == (read(guest).dropped, texts(guest)[:2])
    monkeypatch.setattr(records, "MAX_RECORDS", 1 << 14)
    monkeypatch.setattr(records, "MAX_TEXT", 16 * 7)
    assert (53, 14) == (read(guest).dropped, len(texts(guest)))
    monkeypatch.setattr(kernel_log, "MAX_LINES", 7)
    assert (57, 6) == (read(guest).dropped, len(texts(guest)))


def test_the_excerpt_has_the_last_lines_and_the_problems_before_them() -> None:
    names = ["WARNING: CPU: 0 PID: 1 at a.c:1", "fine", "kernel BUG at b", *(f"line {number}" for number in range(25))]
    log = KernelLog(tuple(LogLine(0, 6, text) for text in names))
    bug = names[2 : 2 + kernel_log.LINES_OF_BUG]

    assert [names[0], *bug, *names[-3:]] == [line.text for line in log.excerpt(3)]
    assert [*bug, names[-1]] == [line.text for line in log.excerpt(1)]
    assert names[1:] == [line.text for line in log.excerpt(len(names) - 1)][1:]


def test_lines_of_a_recording_are_parsed_again() -> None:
    lines = ("[    1.234567] second", "no stamp")
    log = stored_log(lines)

    assert (LogLine(1_234_567_000, None, "second"), LogLine(0, None, "no stamp")) == log.lines
    assert lines[0] == log.lines[0].stamped
