"""`pvhdbg inspect --format json`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.image.notes import REASONS
from pvhdbg.views.inspection import OPTIONS, STAGE_SYMBOLS
from pvhdbg.views.to_json import document_json

if TYPE_CHECKING:
    from pvhdbg.views.inspection import Inspected

_PROGRAM = ("type", "offset", "vaddr", "paddr", "filesz", "memsz", "flags", "align")
_SECTION = ("name", "type", "addr", "offset", "size", "flags", "align")


def to_dict(of: Inspected) -> document_json.Json:
    details = of.details
    return {
        "kernel": document_json.kernel(of.facts),
        "elf": {
            "type": details.type,
            "machine": details.machine,
            "entry": details.entry,
            "symbols": details.symbols,
            "debug_info": details.has_debug_info,
            "compiler": details.compiler,
            "multiboot1": details.multiboot1 and details.multiboot1.offset,
            "multiboot2": details.multiboot2 and details.multiboot2.offset,
            "program_headers": [dict(zip(_PROGRAM, each, strict=True)) for each in details.program_headers],
            "sections": [dict(zip(_SECTION, each, strict=True)) for each in details.sections],
        },
        "loaders": [
            {"loader": each.loader, "entry": each.entry, "reason": REASONS.get(each.reason)} for each in details.scans
        ],
        "preflight": {
            "way": of.preflight.way,
            "entry": of.preflight.entry,
            "verdicts": [each._asdict() for each in of.preflight.verdicts],
        },
        "symbols": {name: of.addresses.get(name) for name in STAGE_SYMBOLS},
        "config": None if details.config is None else {name: details.config.get(name, "n") for name in OPTIONS},
    }
