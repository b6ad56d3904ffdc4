"""A Document as the JSON of the contract: integers as integers, null where a thing does not exist."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pvhdbg
from pvhdbg.abi.e820 import E820_TYPES
from pvhdbg.abi.layout import Struct

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pvhdbg.abi.boot_params import BootParams
    from pvhdbg.abi.start_info import StartInfo
    from pvhdbg.boot.record.document import Document, MachineFacts, Outcome
    from pvhdbg.boot.stop.capture import Capture, MapRecord, MemoryMap, Module, Text
    from pvhdbg.checks.finding import Finding
    from pvhdbg.image.facts import ImageFacts
    from pvhdbg.image.verdict import Verdict

FORMAT, FORMAT_VERSION = "pvhdbg", 1
LEVELS = 3

Json = dict[str, Any]


def dumps(document: Document) -> str:
    return lines(to_dict(document)) + "\n"


def lines(of: object, depth: int = 0) -> str:
    """JSON with a line for each key down to those of a stop: to be read, and written faster than all indented.

    All ASCII: a string may hold what a guest wrote, and a terminal may obey U+009B.
    """
    if depth < LEVELS and isinstance(of, dict) and of:
        inner = [f"{json.dumps(key)}: {lines(each, depth + 1)}" for key, each in of.items()]
        return _block("{}", inner, depth)
    if depth < LEVELS and isinstance(of, list) and of and isinstance(of[0], dict):
        return _block("[]", [lines(each, depth + 1) for each in of], depth)
    return json.dumps(of)


def _block(brackets: str, inner: Iterable[str], depth: int) -> str:
    margin = "\n" + " " * depth
    return brackets[0] + margin + " " + f",{margin} ".join(inner) + margin + brackets[1]


def to_dict(document: Document) -> Json:
    from pvhdbg.checks.run import check

    checked = check(document)
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "pvhdbg": pvhdbg.__version__,
        "kernel": kernel(document.kernel) if document.kernel else None,
        "machine": machine(document.machine),
        "stops": [stop(each, found) for each, found in zip(document.stops, checked.stops, strict=True)],
        "outcome": outcome(document.outcome, checked.ending),
    }


def kernel(facts: ImageFacts) -> Json:
    return {
        "path": facts.path,
        "kind": facts.kind,
        "class": facts.elf_class,
        "entry": facts.entry,
        "build_id": facts.build_id,
        "release": facts.release,
        "segments": [
            {"paddr": each.paddr, "vaddr": each.vaddr, "filesz": each.filesz, "memsz": each.memsz}
            for each in facts.segments
        ],
        "notes": [{"owner": each.owner, "type": each.type, "hex": each.desc.hex()} for each in facts.notes],
        **_some("verdicts", facts.verdicts),
    }


def machine(facts: MachineFacts) -> Json:
    rewrites = [
        {"path": each.path, "paddr": each.paddr, "before": each.before.hex(), "after": each.after.hex()}
        for each in facts.rewrites
    ]
    return {**facts._asdict(), "argv": list(facts.argv), "rewrites": rewrites}


def stop(seen: Capture, found: Sequence[Finding] = ()) -> Json:
    return {
        "stage": seen.stage,
        "rip": seen.rip,
        "address_kind": seen.address_kind,
        "cpu_mode": seen.cpu_mode,
        "registers": dict(seen.registers),
        "start_info": seen.start_info and start_info(seen.start_info),
        "pvh_start_info": seen.pvh_start_info and start_info(seen.pvh_start_info),
        "cmdline": text(seen.cmdline),
        "modules": None if seen.modules is None else [module(each) for each in seen.modules],
        "memory_map": seen.memory_map and memory_map(seen.memory_map),
        "boot_params": seen.boot_params and boot_params(seen.boot_params),
        "kernel_boot_params": seen.kernel_boot_params and boot_params(seen.kernel_boot_params),
        "e820_table": seen.e820_table and entries(seen.e820_table.entries),
        "findings": [each._asdict() for each in found],
        "memory": [{"paddr": paddr, "hex": data.hex()} for paddr, data in seen.memory],
        "symbols": dict(seen.symbols),
        "missing": dict(seen.missing),
    }


def struct(record: Struct) -> Json:
    """Every field that the record has, by its kernel name."""
    return {field.name: value(each) for field, each in record.rows()}


def value(of: object) -> object:
    """Structures as objects, bytes as hex, other arrays as lists."""
    if isinstance(of, Struct):
        return struct(of)
    if isinstance(of, bytes):
        return of.hex()
    if isinstance(of, tuple):
        return [value(each) for each in of]
    return of


def start_info(record: StartInfo) -> Json:
    """The fields an older version lacks are null."""
    fields: Json = dict.fromkeys(field.name for field in record.FIELDS)
    return {"paddr": record.at, **fields, **struct(record)}


def boot_params(record: BootParams) -> Json:
    """All of it; of e820_table as many entries as e820_entries says and the table has."""
    shown: Json = {"paddr": record.at}
    for field in record.FIELDS:
        shown[field.name] = None if field is type(record).e820_table else value(field.__get__(record, type(record)))
    shown["e820_table"] = entries(record.e820_table[: record.e820_entries])
    return shown


def entries(of: Iterable[MapRecord]) -> list[Json]:
    return [
        {"addr": each.addr, "size": each.size, "type": each.type, "type_name": E820_TYPES.name(each.type)}
        for each in of
    ]


def memory_map(of: MemoryMap) -> Json:
    return {"protocol": of.protocol, "paddr": of.paddr, "nr_entries": of.nr_entries, "entries": entries(of.entries)}


def module(of: Module) -> Json:
    return {**struct(of.entry), "cmdline": text(of.cmdline)}


def text(of: Text | None) -> str | None:
    return None if of is None else of.raw.decode("latin-1")


def outcome(of: Outcome, found: Sequence[Finding] = ()) -> Json:
    """With the findings about an end that has no stop of its own."""
    return {
        "reached": of.reached,
        "ended": of.ended,
        "died": None if of.died is None else of.died._asdict(),
        "timeout": None if of.waited_for is None else {"stage": of.waited_for, "rip": of.rip, "symbol": of.symbol},
        **_some("findings", found),
    }


def _some(key: str, of: Sequence[Finding | Verdict]) -> Json:
    """A key that only an odd run has."""
    return {key: [each._asdict() for each in of]} if of else {}
