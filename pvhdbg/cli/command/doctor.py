"""`pvhdbg doctor`: check the installation and the tools, and boot the teaching guest."""

from __future__ import annotations

import platform
from importlib import metadata
from typing import TYPE_CHECKING

from pvhdbg.abi.text import printable
from pvhdbg.cli import progress
from pvhdbg.cli.launch import launched_without_gdb
from pvhdbg.cli.options import parse
from pvhdbg.cli.result import Result
from pvhdbg.errors import MachineError, PvhdbgError
from pvhdbg.live.system import programs
from pvhdbg.live.system.programs import GDB, QEMU
from pvhdbg.named_tuple import NamedTuple
from pvhdbg.target.base import HIT, TIMEOUT

if TYPE_CHECKING:
    import argparse

    from pvhdbg.live.system.programs import Program

PACKAGES = ("pygdbmi", "pyelftools", "prompt_toolkit", "qemu.qmp", "lz4", "capstone", "zstandard")
"""As in pyproject.toml."""
BOOT_TIMEOUT = 20
"""Seconds to wait until the guest reaches the `prepare` stage."""


class Line(NamedTuple):
    """The result of one check. `ok` is None if an optional program or accelerator is missing or fails."""

    name: str
    ok: bool | None
    result: str


def doctor(options: argparse.Namespace) -> Result:
    """Return the results. The exit status is 3 if anything that pvhdbg needs is missing or fails."""
    results = (
        Line("Python", True, platform.python_version()),
        *(_package(name) for name in PACKAGES),
        _program(options.gdb or "gdb", GDB),
        _program(options.qemu or "qemu-system-x86_64", QEMU),
        _program("qemu-system-i386", QEMU, needed=False),
        _boot(options, "tcg"),
        _boot(options, "kvm"),
        _xen(),
    )
    lines = [Line(printable(name), ok, printable(result)) for name, ok, result in results]
    width = max(len(line.name) for line in lines)
    text = "".join(f"{_sign(line.ok)} {line.name:{width}}  {line.result}\n" for line in lines)
    return Result(text, MachineError.exit_status if any(line.ok is False for line in lines) else 0)


def _sign(ok: bool | None) -> str:
    return {True: "ok  ", False: "FAIL", None: "-   "}[ok]


def _package(name: str) -> Line:
    try:
        return Line(f"package {name}", True, metadata.version(name))
    except metadata.PackageNotFoundError:
        return Line(f"package {name}", False, "not installed")


def _program(path: str, program: Program, *, needed: bool = True) -> Line:
    """Return the first line that the program prints for `--version`, or the reason why pvhdbg cannot use it."""
    bad = False if needed else None
    try:
        line = programs.version(path)
    except MachineError as error:
        return Line(path, bad, f"{error}; {program.hint(path)}" if needed else str(error))
    problem = program.problem(line)
    return Line(path, bad, f"{problem}; {program.version_hint(path)}") if problem else Line(path, True, line)


def _xen() -> Line:
    """Return which Xen `--xen` would start. Only `--xen` needs it."""
    from pvhdbg.live.qemu import xen

    try:
        return Line("Xen for --xen", True, str(xen.find_image(None)))
    except MachineError as error:
        return Line("Xen for --xen", None, f"not found in /boot or in pvhdbg's cache; {error.hint}")


def _boot(options: argparse.Namespace, accel: str) -> Line:
    """Boot the teaching guest to xen_prepare_pvh. Only TCG is required to work."""
    name = f"boot under {accel}"
    _, chosen = parse(["dump", "--accel", accel, "--timeout", str(BOOT_TIMEOUT)])
    chosen.qemu, chosen.gdb, chosen.gdbinit = options.qemu, options.gdb, options.gdbinit
    try:
        with progress.shown(name), launched_without_gdb(chosen) as debuggee:
            halts = list(debuggee.journey.go("prepare", BOOT_TIMEOUT))
    except PvhdbgError as error:
        return Line(name, False if accel == "tcg" else None, str(error))
    if halts[-1].kind != HIT:
        reason = f"timed out after {BOOT_TIMEOUT} s" if halts[-1].kind == TIMEOUT else halts[-1].message
        return Line(name, False if accel == "tcg" else None, reason or halts[-1].kind)
    return Line(name, True, "the teaching guest reaches xen_prepare_pvh")
