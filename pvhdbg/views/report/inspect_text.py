"""`pvhdbg inspect` as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi.notes import OWNER, XEN_NOTES, describe, note_name
from pvhdbg.abi.text import printable
from pvhdbg.boot.stop import stages
from pvhdbg.image.notes import REASONS
from pvhdbg.image.preflight import LINUX, MULTIBOOT, NONE, PVH
from pvhdbg.views.inspection import OPTIONS
from pvhdbg.views.rows import text
from pvhdbg.views.rows.row import NOTHING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pvhdbg.boot.stop.stages import Stage
    from pvhdbg.image.facts import ImageFacts, Note
    from pvhdbg.image.notes import Scan
    from pvhdbg.image.verdicts.verdict import Verdict
    from pvhdbg.views.inspection import Details, GuestChange, GuestChanges, InspectedFile

BOOT_PROTOCOLS = {
    PVH: "boots {} via PVH",
    MULTIBOOT: "boots {} via multiboot, not via PVH",
    LINUX: "boots {} via the Linux boot protocol, not via PVH",
    NONE: "rejects {}",
}
HEADERS_SHOWN = 64


def as_text(file: InspectedFile) -> str:
    vmms, missing = [_vmms] if file.vmms else [], [_missing] if file.missing else []
    sections = (_file, _headers, _notes, _loaders, _preflight, *vmms, _stages, _config, *missing)
    first, *others = ("\n".join(section(file)) for section in sections)
    changes = ["\n".join(_guest_changes(file.guest_changes))] if file.guest_changes else []
    return "\n\n".join([first, *changes, *others]) + "\n"


def _file(file: InspectedFile) -> Iterator[str]:
    facts, details = file.facts, file.details
    yield printable(facts.path)
    rows = [
        ("release", f"Linux {printable(facts.release)}" if facts.release else "unknown: no Linux version in the file"),
        ("guest", facts.profile.title),
        ("kind", _kind(file)),
        ("ELF", f"{facts.elf_class}-bit, {printable(details.type)}, {printable(details.machine)}"),
        ("PVH entry", _entry(facts)),
        ("ELF entry", f"{details.entry:#x}"),
        ("build-id", printable(facts.build_id or "none")),
        ("compiler", text.quoted(details.compiler, text.LONG) if details.compiler else "unknown"),
        ("symbols", _symbols(details)),
        ("multiboot", _multiboot(details)),
    ]
    yield from text.columns(rows)


def _guest_changes(found: GuestChanges) -> Iterator[str]:
    heading = "differences from pvhdbg's teaching guest"
    yield f"{heading}: {found.problem or 'none'}" if not found.changes else heading
    rows = [
        (printable(change.source or ""), printable(change.name), change.what, _sizes(change))
        for change in found.changes[:HEADERS_SHOWN]
    ]
    yield from text.columns(rows)
    if len(found.changes) > HEADERS_SHOWN:
        yield from _more(len(found.changes))


def _sizes(change: GuestChange) -> str:
    sizes = [text.counted(size, "byte") for size in (change.before, change.after) if size]
    return " -> ".join(dict.fromkeys(sizes))


def _kind(file: InspectedFile) -> str:
    kind = printable(file.facts.kind)
    if kind == "bzimage":
        return f"{kind}; everything below describes the vmlinux inside it"
    return f"{kind}, compressed; everything below describes the ELF file inside" if file.facts.is_unpacked else kind


def _entry(facts: ImageFacts) -> str:
    if facts.entry is None:
        return "none: see the entry by loader below"
    segment = next((segment for segment in facts.segments if segment.paddr <= facts.entry < segment.end), None)
    linked = facts.to_vaddr(facts.entry)
    if segment is None or linked is None:
        return f"{facts.entry:#x}, outside all segments"
    return f"{facts.entry:#x}, linked at {linked:#x}"


def _symbols(details: Details) -> str:
    count = "no symbol table" if details.symbols is None else text.counted(details.symbols, "symbol")
    return f"{count}, {'DWARF debug information' if details.has_debug_info else 'no debug information'}"


def _multiboot(details: Details) -> str:
    headers = [
        f"version {version} header at {header.offset:#x}"
        for version, header in ((1, details.multiboot1), (2, details.multiboot2))
        if header
    ]
    return ", ".join(headers) or "no header"


def _headers(file: InspectedFile) -> Iterator[str]:
    yield "program headers"
    rows = [("type", "physical", "virtual", "in the file", "in memory", "flags", "align")]
    for kind, _, vaddr, paddr, filesz, memsz, flags, align in file.details.program_headers[:HEADERS_SHOWN]:
        span = text.span(paddr, paddr + memsz)
        rows.append((printable(kind), span, f"{vaddr:#x}", text.size(filesz), text.size(memsz), flags, f"{align:#x}"))
    yield from text.columns(rows, right=(3, 4, 6))
    yield from _more(len(file.details.program_headers))


def _notes(file: InspectedFile) -> Iterator[str]:
    notes = file.facts.notes
    yield "ELF notes" if notes else "ELF notes: none in a PT_NOTE segment"
    yield from text.columns(
        [
            (
                printable(note.owner),
                str(note.type) if note.type < 1 << 16 else f"{note.type:#x}",
                note_name(note.owner, note.type),
                _described(note),
            )
            for note in notes[:HEADERS_SHOWN]
        ],
        right=(1,),
    )
    yield from _more(len(notes))


def _described(note: Note) -> str:
    value = describe(note.owner, note.type, note.desc)
    shown = value if len(value) <= text.LONG else value[: text.LONG] + "…"
    known = XEN_NOTES.get(note.type) if note.owner == OWNER else None
    return f"{shown}  ({known.meaning})" if known else shown


def _more(count: int) -> list[str]:
    return [f"  … and {count - HEADERS_SHOWN} more"] if count > HEADERS_SHOWN else []


def _loaders(file: InspectedFile) -> Iterator[str]:
    itself = file.itself
    yield "PVH entry of the ELF file inside, by loader" if itself else "PVH entry, by loader"
    rows = [
        ("by the ABI" if scan.loader == "ABI" else scan.loader, _scanned_entry(scan)) for scan in file.details.scans
    ]
    yield from text.columns(rows)
    if itself:
        yield ""
        yield "the file itself, by VMM"
        yield from text.columns(list(itself.items()))


def _scanned_entry(scan: Scan) -> str:
    if scan.entry is None:
        return f"none: {REASONS.get(scan.reason, scan.reason)}"
    where = f", from the note at file offset {scan.note.offset:#x}" if scan.note else ""
    return f"{scan.entry:#x}{where}"


def _preflight(file: InspectedFile) -> Iterator[str]:
    preflight = file.preflight
    entry = f" at {preflight.entry:#x}" if preflight.boot_protocol == PVH and preflight.entry is not None else ""
    is_bzimage = file.facts.kind == "bzimage"
    kernel = "the extracted vmlinux" if is_bzimage else "the unpacked file" if file.facts.is_unpacked else "the file"
    yield f"QEMU -kernel {BOOT_PROTOCOLS[preflight.boot_protocol].format(kernel)}{entry}"
    if is_bzimage:
        yield "  pvhdbg extracts the vmlinux because QEMU boots a bzImage via the Linux boot protocol, not via PVH"
    for verdict in preflight.verdicts:
        yield from _verdict(verdict)


def _verdict(verdict: Verdict) -> Iterator[str]:
    yield f"  {verdict.severity} ({verdict.slug}): {verdict.message}"
    yield f"    hint: {verdict.hint}"


def _vmms(file: InspectedFile) -> Iterator[str]:
    yield "PVH boot under other VMMs"
    width = max(len(prediction.title) for prediction in file.vmms)
    for prediction in file.vmms:
        entered = "not started via PVH" if prediction.entry is None else f"entered at {prediction.entry:#x}"
        yield f"  {prediction.title:{width}}  {entered}"
        for verdict in prediction.verdicts:
            yield from (f"  {line}" for line in _verdict(verdict))


def _stages(file: InspectedFile) -> Iterator[str]:
    yield "stages and symbols"
    rows = [(stage.name, *_stage(file, stage), stage.about) for stage in stages.of(file.facts)]
    symbols = ((name, *_symbol(file, name), about) for name, about in file.variables.items())
    yield from text.columns([*rows, *symbols])
    if file.facts.release and not file.addresses:
        yield "  to get them, pass --symbols with a vmlinux of the same build-id"


def _stage(file: InspectedFile, stage: Stage) -> tuple[str, str]:
    if stage.lacking is not None:
        return stage.lacking, ""
    if stage.symbol is not None:
        address, physical = _symbol(file, stage.symbol)
        is_return = stage.returns and stage.symbol in file.addresses
        return f"return from {address}" if is_return else address, physical
    return NOTHING if file.facts.entry is None else f"{file.facts.entry:#x}", ""


def _symbol(file: InspectedFile, name: str) -> tuple[str, str]:
    """Return a symbol's address, and its physical address if that differs."""
    address = file.addresses.get(name)
    if address is None:
        return "no symbol", ""
    paddr = file.facts.to_paddr(address)
    return f"{address:#x}", "" if paddr in (None, address) else f"physical {paddr:#x}"


def _config(file: InspectedFile) -> Iterator[str]:
    config = file.details.config
    if config is None:
        yield "configuration: not in the file (requires CONFIG_IKCONFIG)"
        return
    yield "configuration"
    yield from text.columns([(name, printable(config.get(name, "n")), about) for name, about in OPTIONS.items()])


def _missing(file: InspectedFile) -> Iterator[str]:
    yield "parts of the file that pvhdbg did not read completely"
    yield from text.columns(list(file.missing.items()))
