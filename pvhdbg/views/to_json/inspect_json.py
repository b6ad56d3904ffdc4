"""`pvhdbg inspect --format json`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.image.notes import REASONS
from pvhdbg.views.inspection import OPTIONS, stage_symbols
from pvhdbg.views.to_json import document_json

if TYPE_CHECKING:
    from pvhdbg.image.vmm_loaders.prediction import Prediction
    from pvhdbg.views.inspection import Details, GuestChanges, InspectedFile

_PROGRAM = ("type", "offset", "vaddr", "paddr", "filesz", "memsz", "flags", "align")
_SECTION = ("name", "type", "addr", "offset", "size", "flags", "align")


def to_dict(file: InspectedFile) -> document_json.Json:
    details = file.details
    return {
        "kernel": document_json.kernel(file.facts),
        "elf": _elf(details),
        "loaders": [
            {"loader": scan.loader, "entry": scan.entry, "reason": REASONS.get(scan.reason)} for scan in details.scans
        ],
        "preflight": {
            "way": file.preflight.boot_protocol,
            "entry": file.preflight.entry,
            "verdicts": [verdict._asdict() for verdict in file.preflight.verdicts],
        },
        "vmms": [_prediction(prediction) for prediction in file.vmms],
        "symbols": {name: file.addresses.get(name) for name in stage_symbols(file.facts)},
        "config": None if details.config is None else {name: details.config.get(name, "n") for name in OPTIONS},
        **({} if file.guest_changes is None else {"guest_changes": _guest_changes(file.guest_changes)}),
        **({"itself": dict(file.itself)} if file.itself else {}),
        **({"missing": dict(file.missing)} if file.missing else {}),
    }


def _elf(details: Details) -> document_json.Json:
    return {
        "type": details.type,
        "machine": details.machine,
        "entry": details.entry,
        "symbols": details.symbols,
        "debug_info": details.has_debug_info,
        "compiler": details.compiler,
        "multiboot1": details.multiboot1 and details.multiboot1.offset,
        "multiboot2": details.multiboot2 and details.multiboot2.offset,
        "program_headers": [dict(zip(_PROGRAM, header, strict=True)) for header in details.program_headers],
        "sections": [dict(zip(_SECTION, section, strict=True)) for section in details.sections],
    }


def _guest_changes(found: GuestChanges) -> document_json.Json:
    return {
        "problem": found.problem,
        "changes": [
            {"name": one.name, "what": one.what, "source": one.source, "before": one.before, "after": one.after}
            for one in found.changes
        ],
    }


def _prediction(prediction: Prediction) -> document_json.Json:
    return {
        "vmm": prediction.name,
        "entry": prediction.entry,
        "verdicts": [verdict._asdict() for verdict in prediction.verdicts],
    }
