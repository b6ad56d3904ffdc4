"""QEMU's working folder. QEMU looks for firmware there before it looks in its own folders.

A file named `bios-microvm.bin` or `pvh.bin` next to the kernel would run in place of QEMU's firmware. So QEMU gets
pvhdbg's private folder, unless the user's own arguments have relative paths.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from pvhdbg.errors import UserError
from pvhdbg.lazy_pattern import pattern

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pvhdbg.live.qemu.options import QemuOptions

_FILE_OPTIONS = """
    D L bios blockdev cdrom chardev drive dtb fda fdb hda hdb hdc hdd mtdblock pflash pidfile plugin readconfig sd
    serial
"""
_TAKES_A_FILE = frozenset(_FILE_OPTIONS.split())
_VALUE = pattern(r"(?:^|,)(?:[^,=]*=)?([^,]+)")
"""The parts of an option's argument without their keys: `file=disk.img,if=none` has two."""
_NUMBER = pattern(r"[0-9.]+")


def choose(options: QemuOptions, private: Path) -> Path | None:
    """Return `private`, or None if the user's arguments have relative paths, which must keep their meaning.

    :raise UserError: if the user's folder is kept and has a file that QEMU would take for its own firmware.
    """
    user_arguments = (options.machine, options.cpu or "", *options.args)
    if not any(_relative_paths(user_arguments)):
        return private
    named = {Path(value).name for argument in user_arguments for value in _VALUE.findall(argument)}
    shadowing = sorted((_firmware_names(options.binary) & set(os.listdir())) - named)  # noqa: PTH208 - names only
    if shadowing:
        raise UserError(
            f"{Path.cwd() / shadowing[0]}: QEMU would use this file instead of its own firmware",
            "move it away, or pass absolute paths after `--`",
        )
    return None


def with_absolute_paths(options: QemuOptions) -> QemuOptions:
    """Return options that mean the same in any working folder."""
    return options._replace(
        binary=os.path.abspath(options.binary) if os.sep in options.binary else options.binary,  # noqa: PTH100 - no resolving
        kernel=os.path.abspath(options.kernel),  # noqa: PTH100
        initrd=None if options.initrd is None else os.path.abspath(options.initrd),  # noqa: PTH100
        loaded=None if options.loaded is None else os.path.abspath(options.loaded),  # noqa: PTH100
    )


def _relative_paths(arguments: Iterable[str]) -> Iterator[str]:
    """Yield what may be a relative path: it looks like one, a file of that name exists, or an option takes a file."""
    option = ""
    for argument in arguments:
        if argument.startswith("-"):
            option = argument.lstrip("-")
            continue
        for value in _VALUE.findall(argument):
            is_path = "." in value or os.sep in value or os.path.lexists(value) or option in _TAKES_A_FILE
            if is_path and not value.startswith("/") and not _NUMBER.fullmatch(value):
                yield value


def _firmware_names(binary: str) -> set[str]:
    """Return the names of the files in QEMU's own folders, as `-L help` lists them; empty if QEMU does not start."""
    import subprocess

    names: set[str] = set()
    with suppress(OSError, subprocess.SubprocessError):
        call = [binary, "-L", "help"]
        done = subprocess.run(call, check=True, stdin=subprocess.DEVNULL, capture_output=True, timeout=10)
        for folder in os.fsdecode(done.stdout).splitlines():
            with suppress(OSError):
                names.update(os.listdir(folder))  # noqa: PTH208 - names only
    return names
