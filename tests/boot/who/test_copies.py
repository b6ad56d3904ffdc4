"""Which registers and which memory hold a copy of boot data, instruction by instruction. GNU as made the bytes."""

from __future__ import annotations

import pytest

from pvhdbg.boot.who.access import COMPUTED, IMMEDIATE, PERHAPS, REGISTER, Origin
from pvhdbg.boot.who.copies import Copies, Place
from pvhdbg.live.instructions.decode import Decoder
from pvhdbg.live.observe.operands import on_stack

INPUT, OUTPUT, STACK = 0x1000, 0x2000, 0x3000
READ_8 = "488b06"  # mov (%rsi),%rax
READ_4 = "8b06"  # mov (%rsi),%eax
STORE_8 = "488907"  # mov %rax,(%rdi)
STORE_4 = "8907"  # mov %eax,(%rdi)
STORE_1 = "8807"  # mov %al,(%rdi)
ADDRESSES = {"rsi": INPUT, "rdi": OUTPUT, "rsp": STACK}


def stored(*codes: str) -> Origin | None:
    """Follow instructions. rsi points to boot data, rdi to where it is stored. Return the origin of the last store."""
    decoder, copies, origin = Decoder(), Copies(), None
    for code in codes:
        instruction = decoder.decode(bytes.fromhex(code), 0x100000, 64)
        assert instruction is not None
        operands = [*instruction.memory, *on_stack(instruction)]
        places = [Place(one, ADDRESSES[one.base or ""] + one.displacement, one.size) for one in operands]
        if instruction.name == "pop":
            places = [place._replace(paddr=STACK) for place in places]
        inside = [place.operand.base in ("rsi", "rdi") for place in places]
        origin = copies.follow(instruction, places, inside)
    return origin


@pytest.mark.parametrize(
    ("codes", "size"),
    [
        ((READ_8, STORE_8), 8),
        ((READ_8, STORE_4), 4),
        ((READ_4, STORE_8), 4),
        ((READ_4, STORE_1), 1),
        ((READ_8, "4889c3", "48891f"), 8),  # mov %rax,%rbx; mov %rbx,(%rdi)
        ((READ_8, "89c3", "891f"), 4),  # mov %eax,%ebx; mov %ebx,(%rdi)
        ((READ_8, "50", "5b", "48891f"), 8),  # push %rax; pop %rbx; mov %rbx,(%rdi)
        (("0fb606", STORE_4), 1),  # movzbl (%rsi),%eax
        (("a5",), 4),  # movsl (%rsi),(%rdi)
        ((READ_8, "aa"), 1),  # stosb: al is the low byte of rax
    ],
)
def test_a_value_that_is_only_moved_is_the_value_of_the_input(codes: tuple[str, ...], size: int) -> None:
    assert Origin(REGISTER, INPUT, size) == stored(*codes)


@pytest.mark.parametrize(
    "codes",
    [
        (READ_8, "48ffc0", STORE_8),  # inc %rax
        (READ_8, "48c1e820", STORE_4),  # shr $32,%rax
        (READ_8, "488d4001", STORE_8),  # lea 1(%rax),%rax
        (READ_8, "8827"),  # mov %ah,(%rdi)
        (READ_8, "31c0", STORE_4),  # xor %eax,%eax
        (READ_8, "b805000000", STORE_4),  # mov $5,%eax
        ("fe07",),  # incb (%rdi)
        ("4801d8", STORE_8),  # add %rbx,%rax
    ],
)
def test_a_value_that_was_changed_is_computed(codes: tuple[str, ...]) -> None:
    assert Origin(COMPUTED) == stored(*codes)


@pytest.mark.parametrize(
    "codes",
    [
        (READ_8, "480f44d8", "48891f"),  # cmove %rax,%rbx: it may be the old rbx
        (READ_8, "0fc8", STORE_4),  # bswap %eax
        ("8a06", STORE_4),  # mov (%rsi),%al: the upper bytes of eax are older
        (READ_4, "4863d8", "48891f"),  # movslq %eax,%rbx
    ],
)
def test_a_value_that_was_not_followed_completely_is_uncertain(codes: tuple[str, ...]) -> None:
    origin = stored(*codes)

    assert (PERHAPS, None) == (origin and origin.confidence, origin and origin.paddr)


def test_a_constant_in_the_instruction_is_immediate() -> None:
    assert Origin(IMMEDIATE) == stored("c60703")


def test_boot_data_that_was_overwritten_as_a_stack_is_no_input_any_more() -> None:
    decoder, copies = Decoder(), Copies()
    call, pop = decoder.decode(bytes.fromhex("e800000000"), 0, 32), decoder.decode(b"\x5d", 0, 32)
    assert call is not None
    assert pop is not None
    for instruction in (call, pop):
        copies.follow(instruction, [Place(one, INPUT, 4) for one in on_stack(instruction)], [True])

    assert not copies.followed


def test_a_value_that_was_not_followed_any_more_may_be_stored_later() -> None:
    decoder, copies = Decoder(), Copies()
    read = decoder.decode(bytes.fromhex(READ_4), 0, 64)
    assert read is not None
    copies.follow(read, [Place(read.memory[0], INPUT, 4)], [True])
    copies.give_up({"rax": 0x12345678})

    assert [True, True, False] == [copies.may_be_lost(bytes.fromhex(text)) for text in ("78563412", "78", "00000000")]
