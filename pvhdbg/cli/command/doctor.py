"""`pvhdbg doctor`: what is installed, which versions, and what really works here."""

from __future__ import annotations

import platform
from importlib import metadata
from typing import TYPE_CHECKING, NamedTuple

from pvhdbg.abi.text import printable
from pvhdbg.cli import waiting
from pvhdbg.cli.launch import launched
from pvhdbg.cli.options import parse
from pvhdbg.cli.result import Result
from pvhdbg.errors import MachineError, PvhdbgError
from pvhdbg.live.system import programs
from pvhdbg.live.system.programs import GDB, QEMU
from pvhdbg.target.base import HIT

if TYPE_CHECKING:
    import argparse

    from pvhdbg.live.system.programs import Program

PACKAGES = ("pygdbmi", "pyelftools", "prompt_toolkit", "qemu.qmp", "zstandard", "lz4")
PATIENCE = 20


class Line(NamedTuple):
    """One thing looked at. `ok` is null where it may be missing."""

    what: str
    ok: bool | None
    found: str


def doctor(options: argparse.Namespace) -> Result:
    """Status 3 if something that pvhdbg needs is missing or does not work."""
    looked_at = (
        Line("Python", True, platform.python_version()),
        *(_package(name) for name in PACKAGES),
        _program(options.gdb or "gdb", GDB),
        _program(options.qemu or "qemu-system-x86_64", QEMU),
        _program("qemu-system-i386", QEMU, needed=False),
        _boot(options, "tcg"),
        _boot(options, "kvm"),
    )
    lines = [Line(printable(what), ok, printable(found)) for what, ok, found in looked_at]
    width = max(len(line.what) for line in lines)
    text = "".join(f"{_sign(line.ok)} {line.what:{width}}  {line.found}\n" for line in lines)
    return Result(text, MachineError.exit_status if any(line.ok is False for line in lines) else 0)


def _sign(ok: bool | None) -> str:
    return {True: "ok  ", False: "FAIL", None: "-   "}[ok]


def _package(name: str) -> Line:
    try:
        return Line(f"package {name}", True, metadata.version(name))
    except metadata.PackageNotFoundError:
        return Line(f"package {name}", False, "not installed")


def _program(path: str, program: Program, *, needed: bool = True) -> Line:
    """Its first line of --version, if that is one of the program's that it should be."""
    missing = False if needed else None
    try:
        line = programs.version(path)
    except MachineError as error:
        return Line(path, missing, str(error))
    fault = program.fault(line)
    return Line(path, missing, f"{fault}; {program.needed}") if fault else Line(path, True, line)


def _boot(options: argparse.Namespace, accel: str) -> Line:
    """The teaching guest, booted to xen_prepare_pvh. Only TCG must work."""
    what = f"boot under {accel}"
    _, chosen = parse(["dump", "--accel", accel, "--timeout", str(PATIENCE)])
    chosen.qemu, chosen.gdb, chosen.gdbinit = options.qemu, options.gdb, options.gdbinit
    try:
        with waiting.shown(what), launched(chosen) as debuggee:
            halts = list(debuggee.journey.go("prepare", PATIENCE))
    except PvhdbgError as error:
        return Line(what, False if accel == "tcg" else None, str(error))
    if halts[-1].kind != HIT:
        return Line(what, False if accel == "tcg" else None, f"{halts[-1].kind} {halts[-1].message}")
    return Line(what, True, "the teaching guest reaches xen_prepare_pvh")
