"""The instruction at which a guest died is recognized as the assembler wrote it, and so is an unusable stack."""

from __future__ import annotations

import subprocess
from itertools import chain
from typing import TYPE_CHECKING

import pytest

from pvhdbg.boot.record.document import DEAD, Death, Outcome
from pvhdbg.boot.stop.capture import PHYSICAL
from pvhdbg.boot.stop.stop import Stop
from pvhdbg.checks.case import Case
from pvhdbg.checks.outcome.failure import rip_paddr
from pvhdbg.checks.outcome.fault import SegmentLoad, segment_load, uses_stack
from pvhdbg.checks.outcome.other_guests import _is_rsp_of_vmm, stack_defect
from tests import build
from tests.checks.cases import HOBBY, MACHINE, foreign

if TYPE_CHECKING:
    from pathlib import Path

MODES = {"real16": ".code16", "protected16": ".code16", "protected32": ".code32", "long64": ".code64"}
NAMES = ("rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", *(f"r{number}" for number in range(8, 16)))
VALUES = {name: 0x76543210_00000 + number for number, name in enumerate(NAMES)}
RIP, SPACE = 0x5000, 32

LOADS = [
    ("protected32", "mov %eax, %ds", SegmentLoad("mov to ds", "ds", 0)),
    ("protected32", "mov %ecx, %es", SegmentLoad("mov to es", "es", 1)),
    ("protected32", "mov %edx, %ss", SegmentLoad("mov to ss", "ss", 2)),
    ("protected32", "mov %ebx, %fs", SegmentLoad("mov to fs", "fs", 3)),
    ("protected32", "mov %edi, %gs", SegmentLoad("mov to gs", "gs", 7)),
    ("protected32", ".byte 0x8e, 0xc8", SegmentLoad("mov to cs", "cs", 0)),
    ("protected32", ".byte 0x8e, 0xf0", None),
    ("protected32", ".byte 0x8e, 0xf8", None),
    ("protected32", "mov (%eax), %ds", SegmentLoad("mov to ds", "ds", None)),
    ("protected32", "mov 4(%eax), %ds", SegmentLoad("mov to ds", "ds", None)),
    ("protected32", "mov 0x1000(%eax), %ds", SegmentLoad("mov to ds", "ds", None)),
    ("protected32", "mov %ds, %eax", None),
    ("protected32", "mov %fs:(%eax), %ds", SegmentLoad("mov to ds", "ds", None)),
    ("real16", "mov %ax, %ds", SegmentLoad("mov to ds", "ds", 0)),
    ("long64", "mov %r8d, %ds", SegmentLoad("mov to ds", "ds", 8)),
    ("long64", "mov %r15d, %ss", SegmentLoad("mov to ss", "ss", 15)),
    ("long64", "mov %edi, %ss", SegmentLoad("mov to ss", "ss", 7)),
    ("long64", "ltr %r9w", SegmentLoad("ltr", "tr", 9)),
    ("protected32", "ltr %si", SegmentLoad("ltr", "tr", 6)),
    ("protected32", "ltr (%eax)", SegmentLoad("ltr", "tr", None)),
    ("protected32", "lldt %ax", None),
    ("protected32", "verr %ax", None),
    ("protected32", "str %ax", None),
    ("protected32", "lidt (%eax)", None),
    ("protected32", "mov %eax, %cr3", None),
    ("protected32", "mov $0x1800, %eax", None),
    ("protected32", "ljmp $0x10, $0x12345678", SegmentLoad("far jmp", "cs", 0x10)),
    ("protected32", "lcall $0x1234, $0x12345678", SegmentLoad("far call", "cs", 0x1234)),
    ("protected32", "ljmpw $0x10, $0x1234", SegmentLoad("far jmp", "cs", 0x10)),
    ("protected16", "ljmp $0x10, $0x1234", SegmentLoad("far jmp", "cs", 0x10)),
    ("real16", "ljmpl $0x10, $0x12345678", SegmentLoad("far jmp", "cs", 0x10)),
    ("long64", ".byte 0xea, 1, 2, 3, 4, 5, 6", None),
    # Before a prefix, a REX prefix has no effect; outside 64-bit code, it is an instruction: inc, dec.
    ("protected32", ".byte 0x41, 0x8e, 0xd8", None),
    ("long64", ".byte 0x41, 0x41, 0x8e, 0xd8", None),
    ("protected32", ".byte 0x2e, 0x36, 0x3e, 0x26, 0x8e, 0xd8", SegmentLoad("mov to ds", "ds", 0)),
    ("protected32", ".byte 0x2e, 0x36, 0x3e, 0x26, 0x64, 0x8e, 0xd8", None),
]
WITH_STACK = [
    *(f"push %{name}" for name in ("eax", "edi")),
    *(f"pop %{name}" for name in ("eax", "edi")),
    *("pusha", "popa", "push $1", "push $0x1000", "pushf", "popf", "ret", "ret $8", "enter $8, $0", "leave"),
    *(
        "lret",
        "lret $8",
        "iret",
        "call .",
        "call *%eax",
        "call *(%eax)",
        "lcall *(%eax)",
        "push (%eax)",
        "push 8(%eax)",
    ),
]
WITHOUT_STACK = [
    *("dec %edi", "bound %eax, (%eax)", "imul $0x1000, %eax", "imul $1, %eax", "insb", "fwait", "sahf", "shl $1, %eax"),
    *("les (%eax), %eax", "mov $1, %al", "movb $1, (%eax)", "outl %eax, $1", "jmp .", "jmp .+0x1000", "jmp *%eax"),
    *(
        "incl (%eax)",
        "decl (%eax)",
        "ljmp *(%eax)",
        "nop",
        "hlt",
        "ud2",
        "ljmp $8, $8",
        "rol $1, %eax",
        "xchg %ecx, %eax",
    ),
]
LINES = sorted(
    {
        *((mode, text) for mode, text, _ in LOADS),
        *(("protected32", text) for text in (*WITH_STACK, *WITHOUT_STACK)),
        ("long64", "call *%r8"),
    }
)


@pytest.fixture(scope="module")
def assembled(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], bytes]:
    """Return the bytes of each instruction in its mode, from the GNU assembler."""
    folder: Path = tmp_path_factory.mktemp("instructions")
    source, linked, flat = folder / "a.s", folder / "a.o", folder / "a.bin"
    parts = (f"{MODES[mode]}\n1: {text}\n2: .fill {SPACE} - (2b - 1b), 1, 0x90" for mode, text in LINES)
    source.write_text("\n".join(chain([".text"], parts, [""])))
    subprocess.run(["as", "--64", "-o", linked, source], check=True)
    subprocess.run(["objcopy", "-O", "binary", "-j", ".text", linked, flat], check=True)
    code = flat.read_bytes()
    return {line: code[number * SPACE : (number + 1) * SPACE] for number, line in enumerate(LINES)}


def at(mode: str, code: bytes) -> Case:
    """Return a case whose RIP is at this code, which is all that was read."""
    stop = (
        build.boot()
        .stops[0]
        ._replace(
            rip=RIP, address_kind=PHYSICAL, cpu_mode=mode, memory=((RIP, code),), registers={**VALUES, "rip": RIP}
        )
    )
    return Case(Stop(stop, (), HOBBY), MACHINE)


@pytest.mark.parametrize(("mode", "text", "expected"), LOADS)
def test_an_instruction_that_loads_a_segment_register_is_recognized(
    mode: str, text: str, expected: SegmentLoad | None, assembled: dict[tuple[str, str], bytes]
) -> None:
    assert expected == segment_load(at(mode, assembled[mode, text]))


@pytest.mark.parametrize("text", [*WITH_STACK, *WITHOUT_STACK])
def test_an_instruction_that_uses_the_stack_is_recognized(text: str, assembled: dict[tuple[str, str], bytes]) -> None:
    assert (text in WITH_STACK) == uses_stack(at("protected32", assembled["protected32", text]))


def test_an_indirect_call_with_a_prefix_uses_the_stack(assembled: dict[tuple[str, str], bytes]) -> None:
    assert uses_stack(at("long64", assembled["long64", "call *%r8"]))


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("", None),
        ("8e", None),
        ("8ed8", SegmentLoad("mov to ds", "ds", 0)),
        ("0f00", None),
        ("0f00d8", SegmentLoad("ltr", "tr", 0)),
        ("ea0000000010", SegmentLoad("far jmp", "cs", None)),
        ("ea000000001000", SegmentLoad("far jmp", "cs", 0x10)),
        ("66ea00001000", SegmentLoad("far jmp", "cs", 0x10)),
        ("2e", None),
    ],
)
def test_of_an_instruction_that_was_read_in_part_only_what_was_read_is_used(
    code: str, expected: SegmentLoad | None
) -> None:
    assert expected == segment_load(at("protected32", bytes.fromhex(code)))


@pytest.mark.parametrize(("code", "expected"), [("", False), ("ff", False), ("ffd0", True), ("50", True)])
def test_whether_an_instruction_that_was_read_in_part_uses_the_stack(code: str, expected: bool) -> None:
    assert expected == uses_stack(at("protected32", bytes.fromhex(code)))


@pytest.mark.parametrize(
    ("rsp", "expected"),
    [
        (0, True),
        (0x1000, True),
        (0x1001, False),
        (-0x1000, True),
        (-0x1001, False),
        (0x7B38 - 0x1000, True),  # the VMM left 0x7b38
        (0x7B38 - 0x1001, False),
        (0x7B38 + 0x1000, True),
        (0x7B38 + 0x1001, False),
    ],
)
def test_rsp_is_the_vmms_within_4_kib_of_0_or_of_what_the_vmm_left(rsp: int, expected: bool) -> None:
    assert expected == _is_rsp_of_vmm(foreign(), rsp & 0xFFFFFFFFFFFFFFFF)


@pytest.mark.parametrize(
    ("rsp", "expected"), [(0xFFFFFFFF, True), (0xFFFFF001, True), (0xFFFFF000, False), (0, True), (1, False)]
)
def test_without_paging_the_last_4_kib_of_the_address_space_are_no_stack(rsp: int, expected: bool) -> None:
    case = foreign(cpu={"cr0": 0x11, "cr4": 0, "efer": 0, "cs.flags": 0xC09B00, "rsp": rsp})

    assert expected == (stack_defect(case) is not None)


@pytest.mark.parametrize(
    ("died", "expected"),
    [
        (None, RIP),
        (Death("triple-fault", None, None, ""), RIP),
        (Death("triple-fault", RIP + 8, None, ""), RIP + 8),
        (Death("triple-fault", 0, None, ""), 0),
    ],
)
def test_the_instruction_is_where_the_guest_died_or_else_where_it_stopped(died: Death | None, expected: int) -> None:
    case = at("protected32", bytes(16))

    assert expected == rip_paddr(Case(case.stop, MACHINE, Outcome("entry", DEAD, died)))
    assert rip_paddr(case) == RIP
