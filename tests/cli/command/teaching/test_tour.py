"""Tests of `pvhdbg tour` without the screen."""

from contextlib import nullcontext
from pathlib import Path
from warnings import catch_warnings, simplefilter

import pytest

from pvhdbg.boot.record.document import INTERRUPTED
from pvhdbg.boot.record.replay import load
from pvhdbg.cli import main
from pvhdbg.cli.command.teaching import boots
from pvhdbg.teaching.tour import chapter

TITLES = [shown.title for shown in chapter.read_all(boots.CHAPTERS)]


def test_the_list_has_every_chapter(capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == main(["tour", "--list"])
    printed = capsys.readouterr().out
    assert [] == [title for title in TITLES if title not in printed]


@pytest.mark.parametrize("name", ["3", "03-ebx", "ebx", "EBX and start_info", "ebx and start_info"])
def test_one_chapter_is_named_by_its_number_its_title_or_its_name(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 0 == main(["tour", name, "--text", "--recorded"])
    assert capsys.readouterr().out.startswith("3. EBX and start_info\n")


@pytest.mark.parametrize(
    ("name", "hint"), [("13", "use a number from 1 to 12; see `pvhdbg tour --list`"), ("ebs", "did you mean `03-ebx`?")]
)
def test_an_unknown_chapter_is_one_line_and_a_hint(name: str, hint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert 2 == main(["tour", name, "--text"])
    assert f'pvhdbg: error: no such chapter: "{name}"\n  hint: {hint}\n' == capsys.readouterr().err


def test_a_chapter_of_a_teacher_is_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "1.md"
    path.write_text("---\ntitle: Mine\n---\n## A card\nfact: start_info.version == 0\n\nText.\n")

    assert 2 == main(["tour", "--chapters", str(tmp_path), "--recorded", "--text"])
    assert f"pvhdbg: error: {path}:5: not true: start_info.version == 0\n" == capsys.readouterr().err

    path.write_text("---\ntitle: Mine\n---\n## A card\n\nVersion {start_info.version:d}.\n")

    assert 0 == main(["tour", "--chapters", str(tmp_path), "--recorded", "--text"])
    assert "Version 1." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ("-m 1G", "--memory"),
        ("--help", "--help: not an option of a boot"),
        ("--vmm nobody", "--vmm nobody: argument --vmm"),
    ],
)
def test_a_boot_of_a_chapter_can_only_change_the_boot_data(
    words: str, error: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "1.md").write_text(f"---\ntitle: T\nboot: odd = {words}\n---\n## A\nboot: odd\n\nText.\n")

    assert 2 == main(["tour", "--chapters", str(tmp_path), "--text"])
    assert f"pvhdbg: error: boot options in a chapter: {error}" in capsys.readouterr().err


def test_a_large_chapter_takes_time_in_proportion_to_its_size(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Cutting off each paragraph took half a minute."""
    (tmp_path / "1.md").write_text("---\ntitle: T\n---\n## A\n\n" + "a\n\n" * 80000 + "b")

    assert 0 == main(["tour", "--chapters", str(tmp_path), "--text", "--recorded"])
    assert 80000 == capsys.readouterr().out.count("a\n\n")


def test_python_says_nothing_about_an_expression(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Python's parser warns about 0x1for."""
    path = tmp_path / "1.md"
    path.write_text("---\ntitle: T\n---\n## A\nfact: 0x1for == 1\n\nText.\n")

    with catch_warnings():
        simplefilter("default")
        assert 2 == main(["tour", "--chapters", str(tmp_path), "--text", "--recorded"])
    assert f"pvhdbg: error: {path}:5: not an expression: 0x1for == 1\n" == capsys.readouterr().err


def test_everything_that_the_tour_says_is_true_on_this_machine(capsys: pytest.CaptureFixture[str]) -> None:
    """Boot all boots of the chapters. A fact that is not true, or a value that is missing, would be an error."""
    assert 0 == main(["tour", "--text"])
    printed = capsys.readouterr().out
    assert [] == [title for title in TITLES if title not in printed]


def test_an_interrupted_boot_ends_the_tour(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The facts of the chapters are not compared with a part of a boot, and no other boot begins."""
    whole = load(boots.CHAPTERS / "boot.json")
    part = whole._replace(outcome=whole.outcome._replace(ended=INTERRUPTED))
    monkeypatch.setattr("pvhdbg.cli.launch.launched_without_gdb", lambda *_: nullcontext())
    monkeypatch.setattr("pvhdbg.cli.running.run", lambda *_: (part, ()))

    assert 130 == main(["tour", "--text"])
    assert "error" not in capsys.readouterr().err
