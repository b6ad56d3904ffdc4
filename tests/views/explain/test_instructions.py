"""What is known about instructions, tested on the instructions of real boot code."""

from __future__ import annotations

import re
import subprocess

import pytest

from pvhdbg import guest
from pvhdbg.views.explain import instructions, lookup


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("cld", "cld"),
        ("lgdtl  0x1002018", "lgdt"),
        ("movl   %eax, %ds", "mov ds"),
        ("movl   %ds, %eax", "mov movabs"),
        ("movl   %cr0, %eax", "mov cr0"),
        ("mov    %eax,%cr0", "mov cr0"),
        ("movl   (%ds:%eax), %ebx", "mov movabs"),
        ("rep movsl (%esi), %es:(%edi)", "rep movs"),
        ("movsl  (%esi), %es:(%edi)", "movs"),
        ("movslq %eax, %rdx", "movsx movslq movsbl movsbq movswl movswq"),
        ("repz cmpsb (%rsi), %es:(%rdi)", "repe cmps"),
        ("rep retq", "ret"),
        ("ljmpl  $8, $0x1000054", "ljmp"),
        ("lock btsl $8, (%rax)", "bts"),
        ("popfq", "popf"),
    ],
)
def test_an_instruction_is_found_by_its_text(text: str, names: str) -> None:
    known = instructions.of_text(text)

    assert known is not None
    assert names == known.names


@pytest.mark.parametrize(
    ("text", "brief"),
    [
        ("mov    %eax,%cr0", "write CR0: protection, paging, caches"),
        ("movl   %cr0, %eax", "read CR0: protection, paging, caches"),
        ("movq   %rax, %cr3  # 0x1000", "write CR3: which page tables are used"),
    ],
)
def test_a_control_register_is_read_or_written(text: str, brief: str) -> None:
    known = instructions.of_text(text)

    assert known is not None
    assert brief == known.brief


@pytest.mark.parametrize("text", ["", "rep", ".byte  0xff", "(bad)", "sysretq", "lgdtx 1", "\x1b[2J"])
def test_what_is_not_known_is_not_explained(text: str) -> None:
    assert None is instructions.of_text(text)


def test_every_instruction_of_the_teaching_guest_is_known() -> None:
    words = ["objdump", "-d", "--no-show-raw-insn", str(guest.ELF)]
    listing = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    texts = re.findall(r"^ *[0-9a-f]+:\t(.+)$", listing, re.MULTILINE)
    # From pvh_start_xen, which is 32-bit code, objdump reads some bytes as instructions that are not there.
    unknown = {text.split()[0] for text in texts if instructions.of_text(text) is None}

    assert len(texts) > 500
    assert unknown <= {"cltq", "cqto", "cltd", "rex.W", "data16", "cs", "(bad)", "cwtl"}


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("lgdt", "instruction lgdt"),
        ("lgdtl", "instruction lgdt"),
        ("rep movsl", "instruction rep movs"),
        ("mov %cr0,%eax", "instruction mov cr0"),
        ("MOV CR0", "instruction mov cr0"),
        ("wrmsr", "instruction wrmsr"),
    ],
)
def test_explain_knows_instructions_as_they_are_written(name: str, title: str) -> None:
    assert [title] == [about.title for about in lookup.explain(name)]


def test_every_unusual_instruction_has_a_brief_meaning_for_its_row() -> None:
    briefs = [known.brief for known in instructions.KNOWN]

    assert all(briefs)
    assert max(map(len, briefs)) <= 60
    assert not any(brief.endswith(".") for brief in briefs)
    assert all(not known.details or known.details.endswith((".", "?")) for known in instructions.KNOWN)
