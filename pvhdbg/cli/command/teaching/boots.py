"""The boots that the chapters of the tour are about: real ones, or the recordings next to the chapters."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import pvhdbg
from pvhdbg.boot.record.replay import load
from pvhdbg.cli.result import HelpText
from pvhdbg.errors import UserError
from pvhdbg.teaching.defined_boots import FIRST_BOOT

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

    from pvhdbg.boot.record.document import Document
    from pvhdbg.teaching.tour.chapter import Chapter

CHAPTERS = Path(pvhdbg.__file__).parent / "teaching" / "chapters"
MODULE = CHAPTERS / "module.txt"
"""The file that is module 0 of each boot."""
_FIRMWARE = ("-bios", "qboot.rom")
"""The chapters are about the memory map that qboot makes. From QEMU 10 on, microvm has SeaBIOS without this option."""
_FROM_USER = ("qemu", "gdb", "mi_log", "gdbinit", "timeout")
_ALLOWED = "use only --vmm, --protocol and --set"
_OF_BOOT = ("vmm", "protocol", "set")
"""What can differ between the boots: what happens at the entry. The screen changes that without a new start."""


def launch_options(words: Sequence[str], options: argparse.Namespace) -> argparse.Namespace:
    """Return the options of a boot. `words` are those of the boot in a chapter, and `options` those of the user.

    :raise UserError: if the boot has other options than those in _OF_BOOT.
    """
    from pvhdbg.cli.options import parser_of

    parser = parser_of("dump")
    usual = ["-i", str(MODULE)]
    try:
        plain, parsed = parser.parse_args(usual), parser.parse_args([*usual, *words])
    except (UserError, HelpText) as error:
        why = "not an option of a boot" if isinstance(error, HelpText) else str(error)
        raise UserError(f"boot options in a chapter: {shlex.join(words)}: {why}", _ALLOWED) from error
    for name, content in vars(parsed).items():
        if name not in _OF_BOOT and content != getattr(plain, name):
            raise UserError(f"boot options in a chapter: --{name.replace('_', '-')}", _ALLOWED)
    for name in _FROM_USER:
        setattr(parsed, name, getattr(options, name))
    parsed.qemu_args, parsed.snapshots = list(_FIRMWARE), "auto"
    return parsed


def words_of(chapters: Sequence[Chapter]) -> dict[str, tuple[str, ...]]:
    """Return the options of each boot, by its name.

    :raise UserError: if two chapters give one name to different boots.
    """
    found: dict[str, tuple[str, ...]] = {FIRST_BOOT: ()}
    for chapter in chapters:
        for name, words in chapter.boots.items():
            if found.setdefault(name, words) != words:
                raise chapter.cards[0].place.error(f"another chapter has a different boot {name}", "rename one of them")
    return found


def names_in(chapters: Sequence[Chapter]) -> list[str]:
    """Return the names of the boots that the cards of these chapters are about."""
    return sorted({card.boot for chapter in chapters for card in chapter.cards})


def documents(
    names: Sequence[str], words: Mapping[str, Sequence[str]], options: argparse.Namespace
) -> dict[str, Document]:
    """Boot, or with --recorded load, the boots of these names.

    :raise PvhdbgError: if a boot can't start, or there is no recording of it.
    """
    if options.recorded:
        return {name: load(_recording(name, options.chapters)) for name in names}
    return {name: boot(launch_options(words[name], options)) for name in names}


def _recording(name: str, folder: Path | None) -> Path:
    """Return the recording of a boot: the teacher's own, if there is one."""
    own = None if folder is None else folder / f"{name}.json"
    return own if own is not None and own.exists() else CHAPTERS / f"{name}.json"


def boot(options: argparse.Namespace) -> Document:
    """Boot through all stages.

    :raise PvhdbgError: if the machine can't start.
    :raise KeyboardInterrupt: if the user interrupts the boot.
    """
    from pvhdbg.cli import progress
    from pvhdbg.cli.launch import launched_without_gdb

    with progress.shown(progress.START) as waiting, launched_without_gdb(options) as debuggee:
        from pvhdbg.cli import running

        return running.run_or_interrupt(debuggee, None, waiting)
