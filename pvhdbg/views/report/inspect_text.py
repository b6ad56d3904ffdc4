"""`pvhdbg inspect` as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi.notes import OWNER, XEN_NOTES, describe, note_name
from pvhdbg.abi.text import printable
from pvhdbg.boot.stop import stages
from pvhdbg.image.notes import REASONS
from pvhdbg.image.preflight import LINUX, MULTIBOOT, NONE, PVH
from pvhdbg.views.inspection import OPTIONS, SYMBOLS
from pvhdbg.views.rows import text
from pvhdbg.views.rows.row import NOTHING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pvhdbg.boot.stop.stages import Stage
    from pvhdbg.image.facts import ImageFacts, Note
    from pvhdbg.image.notes import Scan
    from pvhdbg.views.inspection import Details, Inspected

WAYS = {
    PVH: "starts it by PVH",
    MULTIBOOT: "starts it by multiboot, not by PVH",
    LINUX: "starts it as a bzImage, not by PVH",
    NONE: "refuses it",
}
HEADERS_SHOWN = 64


def as_text(of: Inspected) -> str:
    parts = (_file, _headers, _notes, _loaders, _preflight, _stages, _config)
    return "\n\n".join("\n".join(part(of)) for part in parts) + "\n"


def _file(of: Inspected) -> Iterator[str]:
    facts, details = of.facts, of.details
    yield printable(facts.path)
    rows = [
        ("release", f"Linux {printable(facts.release)}" if facts.release else "not a Linux that says its version"),
        ("kind", _kind(of)),
        ("ELF", f"{facts.elf_class} bit, {printable(details.type)}, {printable(details.machine)}"),
        ("PVH entry", _entry(facts)),
        ("ELF entry", f"{details.entry:#x}"),
        ("build-id", printable(facts.build_id or "none")),
        ("compiler", text.quoted(details.compiler, text.LONG) if details.compiler else "does not say"),
        ("symbols", _symbols(details)),
        ("multiboot", _multiboot(details)),
    ]
    yield from text.columns(rows)


def _kind(of: Inspected) -> str:
    kind = printable(of.facts.kind)
    return f"{kind}: what follows is about the vmlinux inside" if kind == "bzimage" else kind


def _entry(facts: ImageFacts) -> str:
    if facts.entry is None:
        return "none: see below"
    place = next((each for each in facts.segments if each.paddr <= facts.entry < each.end), None)
    linked = facts.linked(facts.entry)
    if place is None or linked is None:
        return f"{facts.entry:#x}, in no segment"
    return f"{facts.entry:#x}, linked at {linked:#x}"


def _symbols(details: Details) -> str:
    count = "no symbol table" if details.symbols is None else text.counted(details.symbols, "symbol")
    return f"{count}, {'DWARF debug information' if details.has_debug_info else 'no debug information'}"


def _multiboot(details: Details) -> str:
    found = [
        f"version {version} header at {each.offset:#x}"
        for version, each in ((1, details.multiboot1), (2, details.multiboot2))
        if each
    ]
    return ", ".join(found) or "no header"


def _headers(of: Inspected) -> Iterator[str]:
    yield "program headers"
    rows = [("type", "physical", "virtual", "in the file", "in memory", "flags", "align")]
    for kind, _, vaddr, paddr, filesz, memsz, flags, align in of.details.program_headers[:HEADERS_SHOWN]:
        place = text.span(paddr, paddr + memsz)
        rows.append((printable(kind), place, f"{vaddr:#x}", text.size(filesz), text.size(memsz), flags, f"{align:#x}"))
    yield from text.columns(rows, right=(3, 4, 6))
    yield from _more(len(of.details.program_headers))


def _notes(of: Inspected) -> Iterator[str]:
    found = of.facts.notes
    yield "ELF notes" if found else "ELF notes: none in a PT_NOTE segment"
    yield from text.columns(
        [
            (
                printable(each.owner),
                str(each.type) if each.type < 1 << 16 else f"{each.type:#x}",
                note_name(each.owner, each.type),
                _described(each),
            )
            for each in found[:HEADERS_SHOWN]
        ],
        right=(1,),
    )
    yield from _more(len(found))


def _described(note: Note) -> str:
    value = describe(note.owner, note.type, note.desc)
    shown = value if len(value) <= text.LONG else value[: text.LONG] + "…"
    known = XEN_NOTES.get(note.type) if note.owner == OWNER else None
    return f"{shown}  ({known.meaning})" if known else shown


def _more(count: int) -> list[str]:
    return [f"  … and {count - HEADERS_SHOWN} more"] if count > HEADERS_SHOWN else []


def _loaders(of: Inspected) -> Iterator[str]:
    yield "the entry that each loader's search finds"
    yield from text.columns([(each.loader, _found(each)) for each in of.details.scans])


def _found(scan: Scan) -> str:
    if scan.entry is None:
        return f"none: {REASONS.get(scan.reason, scan.reason)}"
    where = f", from the note at {scan.note.offset:#x} of the file" if scan.note else ""
    return f"{scan.entry:#x}{where}"


def _preflight(of: Inspected) -> Iterator[str]:
    checked = of.preflight
    entry = f", at {checked.entry:#x}" if checked.way == PVH and checked.entry is not None else ""
    it = " the vmlinux inside" if of.facts.kind == "bzimage" else ""
    yield f"QEMU's -kernel{it and ', given' + it + ','} {WAYS[checked.way]}{entry}"
    if it:
        yield "  pvhdbg unpacks it first; the bzImage itself QEMU starts by the Linux boot protocol, not by PVH"
    for each in checked.verdicts:
        yield f"  {each.severity} ({each.slug}): {each.message}"
        yield f"    hint: {each.hint}"


def _stages(of: Inspected) -> Iterator[str]:
    yield "stages"
    rows = [(each.name, _stage(of, each), each.about) for each in stages.STAGES]
    yield from text.columns([*rows, *((name, _symbol(of, name), what) for name, what in SYMBOLS.items())])
    if of.facts.release and not of.addresses:
        yield "  --symbols FILE takes them from a vmlinux with the same build-id"


def _stage(of: Inspected, stage: Stage) -> str:
    if stage.symbol is not None:
        place = _symbol(of, stage.symbol)
        return f"return of {place}" if stage.returns and stage.symbol in of.addresses else place
    return NOTHING if of.facts.entry is None else f"{of.facts.entry:#x}"


def _symbol(of: Inspected, name: str) -> str:
    address = of.addresses.get(name)
    if address is None:
        return "no symbol"
    paddr = of.facts.physical(address)
    return f"{address:#x}" + (f", physical {paddr:#x}" if paddr not in (None, address) else "")


def _config(of: Inspected) -> Iterator[str]:
    config = of.details.config
    if config is None:
        yield "configuration: not in the file (CONFIG_IKCONFIG)"
        return
    yield "configuration"
    yield from text.columns([(name, printable(config.get(name, "n")), about) for name, about in OPTIONS.items()])
