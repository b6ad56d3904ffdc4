"""The code view on terminals of all sizes."""

from __future__ import annotations

import pytest

from pvhdbg.live.debuggee.code import Code, CodeLine
from pvhdbg.live.instructions.next_instruction import Access, NextInstruction
from pvhdbg.tui.app import actions
from pvhdbg.tui.draw.layout import Size
from pvhdbg.tui.lines import classes, highlight
from pvhdbg.tui.lines.line import plain
from pvhdbg.tui.screen import state
from pvhdbg.tui.screen.state import MemoryRequest, Run
from pvhdbg.tui.views import code as view
from tests.tui import screens

CODE = Code(
    "head.S:10, with its 32-bit instructions",
    (
        CodeLine("\t/* Load our GDT. */", None, 9, path="head.S"),
        CodeLine("\tlgdt gdt", None, 10, True, path="head.S"),
        CodeLine("lgdtl  0x2000 <gdt>", 0x1000, None, True, raw=b"\x0f\x01\x15\0\x20\0\0", source="head.S:10"),
        CodeLine("", None, 11, path="/gone/msr.h", source="/gone/msr.h:11"),
        CodeLine("movl   $1, %eax", 0x1007, raw=b"\xb8\1\0\0\0", source="/gone/msr.h:11"),
        CodeLine("wrmsr", 0x100C, raw=b"\x0f\x30", source="/gone/msr.h:11"),
    ),
)
SCREEN = screens.at("entry", "code", code=CODE, focus=state.VIEW)


@pytest.mark.parametrize("size", [(80, 24), (100, 30)])
def test_on_a_narrow_terminal_source_is_above_its_instructions(size: tuple[int, int]) -> None:
    shown = screens.text(SCREEN, size).splitlines()
    rows = [next(at for at, line in enumerate(shown) if words in line) for words in ("lgdt gdt", "lgdtl  0x2000")]

    assert rows[0] + 1 == rows[1]
    assert shown[rows[0]].startswith("│  ▶   10      lgdt gdt")
    assert shown[rows[1]].startswith("│▸ ▶     0x1000  lgdtl  0x2000 <gdt>")
    assert "│     11 0x1007  movl   $1, %eax" in "\n".join(shown)
    assert "  msr.h:11" in "\n".join(shown)


@pytest.mark.parametrize("size", [(120, 40), (180, 50)])
def test_on_a_wide_terminal_source_and_instructions_are_side_by_side(size: tuple[int, int]) -> None:
    shown = screens.text(SCREEN, size).splitlines()
    (row,) = (line for line in shown if "lgdt gdt" in line)

    assert row.startswith("│▸ ▶   10      lgdt gdt")
    assert "│ 0x1000  lgdtl  0x2000 <gdt>" in row
    assert "load the register GDTR: where the table of segments is" in row


@pytest.mark.parametrize(("width", "place"), [(200, "0xffffffff8305a1ff"), (50, "…8305a1ff"), (40, "…8305a1ff")])
def test_a_narrow_pane_shortens_addresses_before_it_cuts_operands(width: int, place: str) -> None:
    lines = (
        CodeLine("movq   $0xffffffff8310d320, %rdx", 0xFFFFFFFF8305A1FF, None, True, raw=b"\x48", source="a.c:1"),
        CodeLine("ret", 0xFFFFFFFF8305A206, raw=b"\xc3", source="a.c:1"),
    )
    screen = SCREEN._replace(code=Code("f", lines), columns=width)
    first, second = (plain(line) for line in view.draw(screen, view.rows(screen), range(2), width))

    assert f"{place}  movq   $0xffffffff8310d320, %rdx" in first or width == 40
    assert f" {place[:-3]}206  ret" in second


def test_an_unusual_instruction_is_explained_on_its_row_and_a_usual_one_is_not() -> None:
    shown = screens.text(SCREEN, (100, 30))

    assert "wrmsr                               write EDX:EAX to the MSR that ECX names" in shown
    assert "copy" not in next(line for line in shown.splitlines() if "movl   $1" in line)


def test_the_detail_explains_the_selected_instruction() -> None:
    size = Size(100, 28)
    shown = screens.text(actions.act("down", SCREEN, size), (100, 30))

    assert "movl: copy. The first operand to the second. From /gone/msr.h:11. Bytes b8 01 00 00 00." in shown
    assert "RIP is here" not in shown
    assert "RIP is here. lgdtl: load the register GDTR" in screens.text(SCREEN, (100, 30))


def test_a_breakpoint_goes_to_the_selected_line_or_instruction() -> None:
    narrow, wide = (actions.act("first", SCREEN, Size(width, 28)) for width in (100, 120))

    assert [None, ("head.S", 10), 0x1000] == [view.breakpoint_place(narrow, at).place for at in range(3)]
    assert [None, 0x1000] == [view.breakpoint_place(wide, at).place for at in range(2)]


def test_a_line_of_source_without_code_gets_no_breakpoint_unless_its_code_is_elsewhere() -> None:
    top = actions.act("first", SCREEN, Size(100, 28))
    elsewhere = CODE._replace(lines=(*CODE.lines, CODE.lines[0], CODE.lines[2]._replace(address=0x2000)))

    assert "line 9 has no instruction here: select an instruction" == view.breakpoint_place(top, 0).refusal
    assert 0x2000 == view.breakpoint_place(top._replace(code=elsewhere), 0).place


def test_a_line_of_source_is_explained_by_its_first_instruction() -> None:
    shown = screens.text(actions.act("up", SCREEN, Size(100, 28)), (100, 30))

    assert "lgdtl: load the register GDTR" in shown


def test_rip_is_marked_where_there_is_only_source() -> None:
    only_source = SCREEN._replace(code=CODE._replace(lines=CODE.lines[:2]))

    assert "▸ ▶   10      lgdt gdt" in screens.text(only_source)


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        (
            "a.c",
            'return f("a // b", 0x10); /* c */',
            {"return": "keyword", '"a // b"': "string", "0x10": "number", "/* c */": "comment"},
        ),
        ("a.c", " * a comment goes on", {" * a comment goes on": "comment"}),
        ("a.c", "*pointer = 1;", {"1": "number"}),
        (
            "a.S",
            "\tmov $0x10, %eax // x",
            {"\tmov": "keyword", "0x10": "number", "%eax": "register", "// x": "comment"},
        ),
        ("a.S", "\t.code32", {"\t.code32": "keyword"}),
        ("a.c", 'unfinished "string', {'"string': "string"}),
    ],
)
def test_source_is_in_colors(path: str, text: str, expected: dict[str, str]) -> None:
    line = highlight.source(text, path)
    styled = {words: style for style, words in line if style}

    assert text == plain(line)
    assert {words: f"class:code.{name}" for words, name in expected.items()} == styled


def test_an_instruction_is_in_colors() -> None:
    line = highlight.instruction("rep movsl (%esi), 0x10 <gdt>")

    assert [classes.CODE_KEYWORD, classes.CODE_REGISTER, classes.CODE_NUMBER, classes.CODE_NAME] == [
        style for style, _ in line if style
    ]


def test_at_a_death_the_detail_says_what_the_instruction_could_not_access() -> None:
    here = NextInstruction(
        0x1000, "movq (%rsi), %rax", (Access(0xFFFF888040000000, 8, True, False, None, "not mapped"),)
    )
    assert SCREEN.now is not None
    screen = SCREEN._replace(now=SCREEN.now._replace(rip=0x1000), next=here, run=Run(state.DEAD, "triple-fault"))
    readable = screen._replace(next=here._replace(accesses=(Access(0x10, 8, True, False, bytes(8)),)))

    assert "RIP is here. It reads 8 bytes at 0xffff888040000000: not mapped." in screens.text(screen, (120, 40))
    assert "It reads" not in screens.text(readable, (120, 40))


NO_SOURCE = Code(
    "/gone/setup.c:395, 64-bit instructions (source file not found)",
    tuple(
        line
        for number in range(390, 400)
        for line in (
            CodeLine("", None, number, number == 395, path="/gone/setup.c", source=f"/gone/setup.c:{number}"),
            CodeLine("callq  0xffffffff8106b730 <__fentry__>", 0xFFFFFFFF8305B400 + number, None, number == 395),
        )
    ),
)


@pytest.mark.parametrize("size", [(80, 24), (100, 30), (120, 40), (200, 60)])
def test_without_source_each_row_has_an_instruction_and_the_number_of_its_line(size: tuple[int, int]) -> None:
    shown = screens.text(screens.at("prepare", "code", code=NO_SOURCE), size)

    assert "▶ 395 0xffffffff8305b58b  callq  0xffffffff8106b730 <__fentry__>" in shown
    assert 1 == shown.count("setup.c:395")
    assert all(f" {number} 0xffffffff8305b" in shown for number in range(392, 398))


def test_beside_another_view_an_instruction_is_shortened_rather_than_cut() -> None:
    shown = screens.text(screens.at("prepare", code=NO_SOURCE), (200, 60))

    assert "395 0xffffffff8305b58b  callq  <__fentry__>" in shown or "callq  0xffffffff8106b730 <__fentry__>" in shown


def test_a_comment_runs_over_the_empty_column_of_the_instructions() -> None:
    comment = "/* " + "a long comment that explains the next line, " * 2 + "*/"
    code = CODE._replace(lines=(CodeLine(comment, None, 8, path="head.S"), *CODE.lines))

    assert comment in screens.text(screens.at("entry", "code", code=code), (120, 40))


def test_the_detail_has_a_line_of_source_that_does_not_fit_on_its_row() -> None:
    comment = "/* " + "a long comment that explains the next line, " * 2 + "*/"
    code = CODE._replace(lines=(CodeLine(comment, None, 8, path="head.S"), *CODE.lines))
    shown = screens.text(screens.at("entry", "code", code=code, focus=state.VIEW).at(0), (80, 24))

    assert "explains the next line, */" in " ".join(line.strip("│ ") for line in shown.splitlines())


def test_a_narrow_pane_leaves_out_empty_lines_of_source() -> None:
    code = CODE._replace(lines=(CODE.lines[0], CodeLine("", None, 99, path="head.S"), *CODE.lines[1:]))
    narrow, wide = (screens.text(screens.at("entry", "code", code=code), size) for size in ((80, 24), (120, 40)))

    assert " 99 " not in narrow
    assert " 99 " in wide


@pytest.mark.parametrize("size", [(80, 24), (100, 30), (120, 40), (200, 60)])
def test_notes_are_not_cut_while_there_is_room_to_their_left(size: tuple[int, int]) -> None:
    code = Code("code", tuple(CodeLine("movl   %eax, %ss", 0x1000011 + at, None, at == 0) for at in range(5)))

    assert 5 <= screens.text(screens.at("entry", "code", code=code), size).count("load the stack segment SS")


def test_the_bytes_view_selects_the_bytes_of_the_instruction() -> None:
    rows = [index for index, row in enumerate(view.rows(SCREEN)) if row.address is not None]
    shown = [actions.act("view bytes", SCREEN.at(row), Size(80, 22)).memory_request for row in rows]

    assert [MemoryRequest("v 0x1000", 7), MemoryRequest("v 0x1007", 5), MemoryRequest("v 0x100c", 2)] == shown
    assert "Memory" not in screens.text(SCREEN.at(rows[0]), (120, 40))
