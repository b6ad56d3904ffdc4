"""A Document as dictionaries and lists for JSON. Integers stay integers; a value that does not exist is None."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pvhdbg
from pvhdbg.abi.e820 import E820_TYPES
from pvhdbg.abi.layout import Struct
from pvhdbg.abi.segments.descriptor import FIELDS
from pvhdbg.checks.finding import Finding
from pvhdbg.views.rows import segment_rows
from pvhdbg.views.to_json import who_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pvhdbg.abi.boot_params import BootParams
    from pvhdbg.abi.segments.table import Entry
    from pvhdbg.abi.start_info import StartInfo
    from pvhdbg.boot.record.document import Document, LostWrite, MachineFacts, Outcome, VmmFacts, Watched
    from pvhdbg.boot.record.trace import Trace
    from pvhdbg.boot.stop.capture import Capture, CodeRow, Hypercall, MapRecord, MemoryMap, Module, Text
    from pvhdbg.image.facts import ImageFacts
    from pvhdbg.image.verdicts.verdict import Verdict

FORMAT, FORMAT_VERSION = "pvhdbg", 2
INDENTED_LEVELS = 3

Json = dict[str, Any]


def dumps(document: Document) -> str:
    return lines(to_dict(document)) + "\n"


def lines(data: object, depth: int = 0) -> str:
    """Return JSON with a line for each key of the document, and for each key of a stop.

    People can read that, and it is faster to write than JSON with all levels indented. The text is ASCII because some
    strings come from the guest, and terminals take U+009B for a control character.
    """
    if depth < INDENTED_LEVELS and isinstance(data, dict) and data:
        inner = [f"{json.dumps(key)}: {lines(item, depth + 1)}" for key, item in data.items()]
        return _block("{}", inner, depth)
    if depth < INDENTED_LEVELS and isinstance(data, list) and data and isinstance(data[0], dict):
        return _block("[]", [lines(item, depth + 1) for item in data], depth)
    return json.dumps(data)


def _block(brackets: str, inner: Iterable[str], depth: int) -> str:
    margin = "\n" + " " * depth
    return brackets[0] + margin + " " + f",{margin} ".join(inner) + margin + brackets[1]


def to_dict(document: Document) -> Json:
    from pvhdbg.checks.run import check_run

    checked = check_run(document)
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "pvhdbg": pvhdbg.__version__,
        "kernel": kernel(document.kernel) if document.kernel else None,
        "machine": machine(document.machine),
        "stops": [stop(capture, findings) for capture, findings in zip(document.stops, checked.stops, strict=True)],
        "outcome": outcome(document.outcome, checked.ending),
        **({} if document.who is None else {"who": who_json.answers(document.who)}),
        **({} if document.who_ended is None else {"who_ended": document.who_ended}),
        **({} if document.trace is None else {"trace": _trace(document.trace)}),
    }


def _trace(recorded: Trace) -> Json:
    from pvhdbg.boot.record import trace

    return trace.as_json(recorded)


def kernel(facts: ImageFacts) -> Json:
    return {
        "path": facts.path,
        "kind": facts.kind,
        "class": facts.elf_class,
        **({"guest": facts.guest} if facts.guest else {}),
        **({"machine": facts.machine} if facts.machine else {}),
        "entry": facts.entry,
        "build_id": facts.build_id,
        "release": facts.release,
        "segments": [
            {"paddr": segment.paddr, "vaddr": segment.vaddr, "filesz": segment.filesz, "memsz": segment.memsz}
            for segment in facts.segments
        ],
        "notes": [{"owner": note.owner, "type": note.type, "hex": note.desc.hex()} for note in facts.notes],
        **_if_any("verdicts", facts.verdicts),
    }


def machine(facts: MachineFacts) -> Json:
    rewrites = [
        {"path": change.path, "paddr": change.paddr, "before": change.before.hex(), "after": change.after.hex()}
        for change in facts.rewrites
    ]
    vmm = {} if facts.vmm is None else {"vmm": _vmm(facts.vmm)}
    xen = {} if facts.xen is None else {"xen": facts.xen._asdict()}
    known = {key: value for key, value in facts._asdict().items() if key not in ("vmm", "xen")}
    return {**known, "argv": list(facts.argv), "rewrites": rewrites, **vmm, **xen}


def _vmm(facts: VmmFacts) -> Json:
    known = {"name": facts.name, "version": facts.version, "differs": list(facts.differs)}
    return {**known, **lost_write(facts.lost_write)}


def lost_write(lost: LostWrite | None) -> Json:
    """Return the key of the guest's first lost write; nothing if there was none."""
    if lost is None:
        return {}
    return {"lost_write": {"paddr": lost.paddr, "hex": lost.data.hex(), "rip": lost.rip, "symbol": lost.symbol}}


def stop(capture: Capture, findings: Sequence[Finding] = ()) -> Json:
    return {
        "stage": capture.stage,
        "rip": capture.rip,
        "address_kind": capture.address_kind,
        "cpu_mode": capture.cpu_mode,
        "registers": dict(capture.registers),
        "start_info": capture.start_info and start_info(capture.start_info),
        "pvh_start_info": capture.pvh_start_info and start_info(capture.pvh_start_info),
        "cmdline": text(capture.cmdline),
        "modules": None if capture.modules is None else [module(entry) for entry in capture.modules],
        "memory_map": capture.memory_map and memory_map(capture.memory_map),
        "boot_params": capture.boot_params and boot_params(capture.boot_params),
        "kernel_boot_params": capture.kernel_boot_params and boot_params(capture.kernel_boot_params),
        "e820_table": capture.e820_table and entries(capture.e820_table.entries),
        "findings": [finding(item) for item in findings],
        "memory": [{"paddr": paddr, "hex": data.hex()} for paddr, data in capture.memory],
        "symbols": dict(capture.symbols),
        "missing": dict(capture.missing),
        "overwritten": [
            {**item._asdict(), "file": item.file.hex(), "memory": item.memory.hex()} for item in capture.overwritten
        ],
        **({} if capture.hypercall is None else {"hypercall": hypercall(capture.hypercall)}),
        **gdt(capture),
        "code": None if capture.code is None else [code_row(row) for row in capture.code],
        "serial": None if capture.serial is None else capture.serial.decode("latin-1"),
        "log": None if capture.log is None else [line._asdict() for line in capture.log],
    }


def gdt(capture: Capture) -> Json:
    """Return the key with the entries of the GDT; nothing if it was not captured."""
    entries = segment_rows.gdt(capture).entries
    return {"gdt": [gdt_entry(entry) for entry in entries]} if entries else {}


def gdt_entry(entry: Entry) -> Json:
    """Return an entry of the GDT, field by field. `limit` is the offset of the last byte, as in `registers`."""
    names = {field.name: field.name.replace("/", "").lower() for field in FIELDS}
    fields = {key: entry.descriptor.value(name) for name, key in names.items()}
    return {"selector": entry.selector, **fields, "limit": entry.descriptor.limit}


def code_row(row: CodeRow) -> Json:
    return {"address": row.address, "hex": row.raw.hex(), "text": row.text, "source": row.source}


def hypercall(call: Hypercall) -> Json:
    known = {key: content for key, content in call._asdict().items() if key != "raw"}
    return {**known, "hex": call.raw.hex()}


def struct(record: Struct) -> Json:
    """Return the fields that the record has, with their kernel names as keys."""
    return {field.name: value(content) for field, content in record.rows()}


def value(content: object) -> object:
    """Return a field's value for JSON: structures as objects, bytes as hex, other arrays as lists."""
    if isinstance(content, Struct):
        return struct(content)
    if isinstance(content, bytes):
        return content.hex()
    if isinstance(content, tuple):
        return [value(element) for element in content]
    return content


def start_info(record: StartInfo) -> Json:
    """Return all fields. A field that does not exist in the record's version is None."""
    fields: Json = dict.fromkeys(field.name for field in record.FIELDS)
    return {"paddr": record.at, **fields, **struct(record)}


def boot_params(record: BootParams) -> Json:
    """Return all fields. e820_table has the first e820_entries entries of the table, which has room for 128."""
    fields: Json = {"paddr": record.at}
    for field in record.FIELDS:
        fields[field.name] = None if field is type(record).e820_table else value(field.__get__(record, type(record)))
    fields["e820_table"] = entries(record.e820_table[: record.e820_entries])
    return fields


def entries(records: Iterable[MapRecord]) -> list[Json]:
    return [
        {"addr": record.addr, "size": record.size, "type": record.type, "type_name": E820_TYPES.name(record.type)}
        for record in records
    ]


def memory_map(table: MemoryMap) -> Json:
    return {
        "protocol": table.protocol,
        "paddr": table.paddr,
        "nr_entries": table.nr_entries,
        "entries": entries(table.entries),
    }


def module(item: Module) -> Json:
    return {**struct(item.entry), "cmdline": text(item.cmdline)}


def text(string: Text | None) -> str | None:
    return None if string is None else string.raw.decode("latin-1")


def outcome(end: Outcome, findings: Sequence[Finding] = ()) -> Json:
    """Return how the run ended. If the end has no stop, its findings are here."""
    return {
        "reached": end.reached,
        "ended": end.ended,
        "died": None if end.died is None else end.died._asdict(),
        "timeout": None if end.waited_for is None else {"stage": end.waited_for, "rip": end.rip, "symbol": end.symbol},
        "watched": None if end.watched is None else watched(end.watched),
        **_if_any("findings", findings),
    }


def watched(end: Watched) -> Json:
    return {**end._asdict(), "serial": list(end.serial), "log": None if end.log is None else list(end.log)}


def _if_any(key: str, items: Sequence[Finding | Verdict]) -> Json:
    """Return the key with its list, or nothing: the document does not have the key if the list is empty."""
    return {key: [finding(item) if isinstance(item, Finding) else item._asdict() for item in items]} if items else {}


def finding(item: Finding) -> Json:
    left_out = ("is_habit", "explains_death")  # known again when the run is decoded
    return {name: content for name, content in item._asdict().items() if name not in left_out}
