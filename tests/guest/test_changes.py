"""A copy of the teaching guest's source: it builds with its Makefile, and pvhdbg says what was changed in it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from pvhdbg.cli import main
from pvhdbg.guest import ELF, SOURCE
from pvhdbg.guest.build import CC, UNITS
from pvhdbg.image.load import open_kernel
from pvhdbg.live.instructions.guest_changes import Change, GuestChanges, guest_changes, summary
from tests.image.builder import elf, load, note, notes, raw_note

EXTRA = """
void extra(u64 count);
u32 counter;
void extra(u64 count) { for (u64 i = 0; i < count; i++) printk("a long text that moves the others: %u", counter++); }
"""


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the source, built once."""
    folder = tmp_path_factory.mktemp("copy") / "mine"
    assert 0 == main(["guest", "new", str(folder)])
    make(folder)
    return folder


def make(folder: Path) -> None:
    done = subprocess.run(["make", "-C", str(folder)], check=False, capture_output=True, text=True)

    assert (0, "") == (done.returncode, done.stderr)


def changes(path: Path) -> GuestChanges | None:
    kernel = open_kernel(str(path), path.parent)
    kernel.symbols.close()
    return guest_changes(kernel.facts)


def edited(copy: Path, tmp_path: Path, edits: dict[str, tuple[str, str]]) -> Path:
    """Change texts in files of the source, which occur once, and build. Return the guest."""
    folder = tmp_path / "mine"
    shutil.copytree(copy, folder)
    for name, (old, new) in edits.items():
        text = (folder / name).read_text("utf-8")
        assert 1 == text.count(old)
        (folder / name).write_text(text.replace(old, new), "utf-8")
    make(folder)
    return folder / "guest.elf"


def names(path: Path) -> list[tuple[str, str, str | None]]:
    found = changes(path)
    assert found is not None
    return [(change.name, change.what, change.file) for change in found.changes]


def test_an_unchanged_copy_has_no_differences(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert GuestChanges(()) == changes(copy / "guest.elf")
    assert 0 == main(["inspect", str(copy / "guest.elf")])
    assert "differences from pvhdbg's teaching guest: none" in capsys.readouterr().out


def test_the_makefile_has_the_flags_of_the_package(copy: Path) -> None:
    makefile = (copy / "Makefile").read_text("utf-8")

    assert f"CC := {' '.join(CC)}\n" in makefile
    assert [f"{unit}.o" for unit in UNITS] == re.findall(r"^OBJECTS := (.*)$", makefile, re.MULTILINE)[0].split()
    assert {path.name for path in SOURCE.iterdir() if path.suffix in (".c", ".h", ".S", ".ld")} == {
        path.name for path in (copy / "original").iterdir() if path.suffix not in (".o", ".elf")
    }


def test_only_what_was_changed_differs_although_everything_moves(copy: Path, tmp_path: Path) -> None:
    guest = edited(
        copy,
        tmp_path,
        {
            "pvh.c": ("#define ISA_START_ADDRESS	0x0a0000", "#define ISA_START_ADDRESS	0x0b0000"),
            "main.c": ('printk("pvhdbg teaching guest\\n");', 'printk("a greeting that is longer than the other\\n");'),
            "entry.S": ("0x00cf92000000ffff", "0x00cf93000000ffff"),
            "serial.c": ('#include "console.h"\n', f'#include "console.h"\n{EXTRA}'),
        },
    )

    assert [
        ("add_isa_hole", "changed", "pvh.c"),
        ("counter", "new", None),
        ("extra", "new", "serial.c"),
        ("gdt", "changed", None),
        ("start_kernel", "changed", "main.c"),
    ] == sorted(names(guest))


def test_a_changed_note_and_a_removed_function_differ(copy: Path, tmp_path: Path) -> None:
    guest = edited(
        copy,
        tmp_path,
        {
            "entry.S": ('XEN_ELFNOTE_GUEST_VERSION, .asciz, "1"', 'XEN_ELFNOTE_GUEST_VERSION, .asciz, "2"'),
            "main.c": ("	tell_modules();\n", ""),
            "console.h": ("#define CONSOLE_H", '#define CONSOLE_H\n#pragma GCC diagnostic ignored "-Wunused-function"'),
        },
    )

    assert [
        ("note GUEST_VERSION", "changed", None),
        ("start_kernel", "changed", "main.c"),
        ("tell_modules", "removed", "main.c"),
        ("tell_text_at", "removed", "main.c"),
    ] == sorted(names(guest))


def test_the_boot_of_a_changed_guest_says_what_differs(
    copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    guest = edited(copy, tmp_path, {"pvh.c": ("ISA_START_ADDRESS	0x0a0000", "ISA_START_ADDRESS	0x0b0000")})
    assert 0 == main(["dump", str(guest), "-o", str(tmp_path / "boot.json")])

    note = "pvhdbg: note: this kernel differs from pvhdbg's teaching guest in pvh.c: add_isa_hole\n"
    assert note == capsys.readouterr().err
    table = json.loads((tmp_path / "boot.json").read_text("utf-8"))["stops"][-1]["e820_table"]
    assert 0xB0000 in [entry["addr"] for entry in table]


def test_with_another_compiler_the_original_beside_the_guest_is_used(copy: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    shutil.copytree(copy, folder)
    for path in (folder / "guest.elf", folder / "original" / "guest.elf"):
        content = path.read_bytes()
        path.write_bytes(content.replace(b"GCC: (Debian", b"GCC: (Fedora").replace(b"halting\n", b"waiting\n"))
    found = changes(folder / "guest.elf")
    (folder / "original" / "guest.elf").unlink()
    without = changes(folder / "guest.elf")

    assert GuestChanges(()) == found
    assert without is not None
    assert "built with a different compiler than pvhdbg's teaching guest" == without.problem


def test_other_kernels_have_no_original(tmp_path: Path) -> None:
    (tmp_path / "kernel.elf").write_bytes(elf([load(), notes(note())]))

    assert changes(ELF) is None
    assert changes(tmp_path / "kernel.elf") is None


def test_a_file_that_only_claims_to_be_the_guest_is_examined(tmp_path: Path) -> None:
    claims = raw_note(b"Xen\0", 6, b"pvhdbg teaching guest\0")
    (tmp_path / "kernel.elf").write_bytes(elf([load(), notes(claims, note())]))
    found = changes(tmp_path / "kernel.elf")

    assert found is not None
    assert found.problem is not None


def test_many_differences_are_counted() -> None:
    found = [Change(f"f{number}", "new", "a.c:1", 0, 1) for number in range(9)]

    assert (
        "this kernel differs from pvhdbg's teaching guest in "
        "a.c: f0 (new), f1 (new), f2 (new), f3 (new), f4 (new), f5 (new) and 3 more"
    ) == summary(GuestChanges(tuple(found)))


@pytest.mark.parametrize(("name", "reason"), [("full", "the folder is not empty"), ("file", "Not a directory")])
def test_a_folder_that_has_something_is_refused(
    name: str, reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.c").touch()
    (tmp_path / "file").touch()

    assert 2 == main(["guest", "new", str(tmp_path / name)])
    assert f"pvhdbg: error: {tmp_path / name}: {reason}\n  hint: name a new folder\n" == capsys.readouterr().err
    assert ["mine.c"] == [path.name for path in (tmp_path / "full").iterdir()]
