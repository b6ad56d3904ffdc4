"""`pvhdbg transplant RECORDING KERNEL`: boot a kernel with the boot data and the CPU state of a recording."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.boot.handover.from_capture import RecordedHandover
from pvhdbg.boot.record.document import ram_size
from pvhdbg.boot.record.replay import load
from pvhdbg.boot.stop.map_entries import decode_entries, ram_ranges
from pvhdbg.cli import vmm
from pvhdbg.cli.command import dump
from pvhdbg.errors import UserError
from pvhdbg.live.qemu.options import DEFAULT_APPEND
from pvhdbg.vmm_profiles.table import QEMU

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from pvhdbg.boot.record.document import Document
    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.cli.result import Result

_MIB = 1 << 20
_LOW_END, _HIGH_START = 3 << 30, 4 << 30
"""Microvm's RAM: up to 3 GiB, then from 4 GiB on."""
_LEAST, _MOST = 512, 16 << 10
"""The memory in MiB that is chosen for a recording that does not have it."""


def transplant(options: argparse.Namespace) -> Result:
    """Do what `dump` does, but with the handover of the recording. Print notes about what is different."""
    document = load(options.recording)
    options.handover = source = handover_of(document, options.recording)
    vmm.refuse_machine(options, "transplant")
    if options.vmm != QEMU:
        raise UserError(
            f"transplant: can't be used with --vmm {options.vmm}: the handover comes from the recording", "drop --vmm"
        )
    if options.append != DEFAULT_APPEND:
        raise UserError(
            "transplant: can't be used with -a: the command line comes from the recording",
            "use --set 'cmdline=\"TEXT\"'",
        )
    options.memory = options.memory or memory_of(document)
    result = dump.dump(options)
    notes = tuple(f"pvhdbg: note: not as recorded: {item}" for item in source.facts.differs)
    return result._replace(remarks=(*notes, *result.remarks))


def handover_of(document: Document, path: Path) -> RecordedHandover:
    """Return the source of the handover that a recording has at its entry.

    :raise UserError: if it has no entry that can be handed over.
    """
    entry = _entry(document)
    if entry is None:
        raise UserError(f"{path}: the recording has no stage entry", "write one with `pvhdbg dump -o FILE`")
    return RecordedHandover(entry, str(path))


def _entry(document: Document) -> Capture | None:
    return next((stop for stop in document.stops if stop.stage == "entry"), None)


def memory_of(document: Document) -> str:
    """Return the size of guest memory for -m: that of the recording, or as much as its map lists."""
    if ram_size(document.machine.memory) is not None:
        return str(document.machine.memory)
    entry = _entry(document)
    ram = ram_ranges(decode_entries(entry.memory_map.entries if entry and entry.memory_map else ()))
    end = max((end for _, end in ram), default=0)
    size = end - (_HIGH_START - _LOW_END) if end > _HIGH_START else end
    return f"{min(max(-(-size // _MIB), _LEAST), _MOST)}M"
