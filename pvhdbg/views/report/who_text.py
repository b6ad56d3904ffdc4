"""Who wrote and who reads boot data, as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi.text import printable
from pvhdbg.boot.who.access import CERTAINTY, CONFIDENCES, PERHAPS, REGISTER
from pvhdbg.boot.who.answer import CPU, FIRMWARE_DMA, PVHDBG
from pvhdbg.boot.who.request import UNREAD, last_stage
from pvhdbg.views.rows import text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pvhdbg.boot.who.answer import Answer, Code, WhoResult, Writer

_MOST_EARLIER, _LONGEST_CHAIN, _MOST_DATA, _MOST_DETAILED = 8, 8, 16, 4
_LONGEST_PATH = 80
"""The width up to which a field's path widens its column. The paths are those of our own layouts."""
NO_WRITER = "not written since the reset"
_CHAIN, _WRITTEN_BY = "  chain    ", " <- "
STEP = "step "
"""How the line of an instruction of a trace begins."""
_BY_OPTION = "immediate: an option of pvhdbg has the value"
_NOT_READ = {
    "kernel": "not read up to start_kernel",
    "e820": "not read up to the return from e820__memory_setup",
}
_NOT_READ_EARLY = "not read up to the return from xen_prepare_pvh"
_NOT_READ_BY_DEAD = "not read before the guest died"


def lines(request: str, found: WhoResult) -> list[str]:
    """Return what the user asked for: the list of UNREAD, everything about a few fields, or a table of many."""
    if request == UNREAD:
        return unread(found.answers, found.ended)
    if found.is_traced or len(found.answers) <= _MOST_DETAILED:
        return details(found.answers, found.links, found.ended, is_traced=found.is_traced)
    return table(found.answers)


def remarks(found: WhoResult) -> list[str]:
    """Return notes about what was not covered or not observed, and about fields whose answers may be wrong."""
    notes = [f"`who` covers only part of {printable(part)}" for part in found.left_out]
    if found.ended is not None:
        notes.append(f"the observed guest died, and the answer ends there: {printable(found.ended)}")
    if found.different:
        notes.append(f"the observed boot has other bytes in {_named(found.different)}")
    if found.unexplained:
        notes.append(f"pvhdbg saw no instruction that wrote the final bytes of {_named(found.unexplained)}")
    return notes


def _named(paths: Sequence[str]) -> str:
    more = f" and {len(paths) - _MOST_DETAILED} more" if len(paths) > _MOST_DETAILED else ""
    return ", ".join(map(printable, paths[:_MOST_DETAILED])) + more


def details(
    answers: Sequence[Answer], links: Mapping[str, Answer], ended: str | None = None, *, is_traced: bool = False
) -> list[str]:
    """Return everything about a few fields. `links` has the other fields that the chain of a value can contain.

    `ended` is how the observed guest died; None if it did not. A trace has no reads.
    """
    shown: list[str] = []
    for answer in answers:
        shown += [*([""] if shown else []), *_one(answer, links)]
        shown += [] if is_traced else _readers(answer, is_dead=ended is not None)
    return shown


def _one(answer: Answer, links: Mapping[str, Answer]) -> Iterator[str]:
    yield f"{printable(answer.path)}: {text.size(answer.size)} at {answer.paddr:#x}"
    if not answer.writers:
        yield f"  {NO_WRITER}"
    final = answer.last_writers
    for writer in answer.writers[: _MOST_EARLIER + 1]:
        yield f"  {'written' if writer in final else 'earlier'}  {_value(answer, writer)} by {writer_name(writer)}"
        if writer.code is not None:
            yield f"           {printable(writer.instruction)}  at {_place(writer.code)}"
        yield f"           {_confidence(writer)}"
    if len(answer.writers) > _MOST_EARLIER + 1:
        yield f"  … and {text.counted(len(answer.writers) - _MOST_EARLIER - 1, 'earlier write')}"
    if links_on := _chain(answer, links):
        yield _CHAIN + _WRITTEN_BY.join(links_on)


def _readers(answer: Answer, *, is_dead: bool) -> Iterator[str]:
    for index, reader in enumerate(answer.readers):
        heading = "       " if index else "read   "
        times = f", {reader.times} times" if reader.times > 1 else ""
        yield f"  {heading}  {function(reader.code)}: {printable(reader.instruction)}{times}"
    if not answer.readers:
        until_stage = _NOT_READ.get(last_stage(answer.path), _NOT_READ_EARLY)
        yield f"  {_NOT_READ_BY_DEAD if is_dead else until_stage}"


def _value(answer: Answer, writer: Writer) -> str:
    raw = writer.data[:_MOST_DATA]
    more = "…" if len(writer.data) > _MOST_DATA else ""
    value = f"{int.from_bytes(raw, 'little'):#x}" if len(writer.data) <= 8 else f"{raw.hex(' ')}{more}"
    if writer.size == answer.size:
        return value
    return f"{value} ({text.size(writer.size)} at +{writer.paddr - answer.paddr:#x})"


def writer_name(writer: Writer) -> str:
    """Return who wrote the bytes: a function of the guest, a device or pvhdbg."""
    if writer.by == PVHDBG:
        return "pvhdbg (--set, --protocol or --vmm)"
    if writer.by == FIRMWARE_DMA:
        return "QEMU's fw_cfg device (DMA)" + (f": {printable(writer.instruction)}" if writer.instruction else "")
    return function(writer.code) if writer.code else "?"


def function(code: Code) -> str:
    """Return `init_pvh_bootparams (inlined in xen_prepare_pvh), arch/x86/platform/pvh/enlighten.c:77`."""
    outer = [*code.inlined[1:], (code.symbol or "").partition("+")[0]] if code.inlined else []
    inside = f" (inlined in {', '.join(map(printable, outer))})" if outer else ""
    source = f", {printable(code.source)}" if code.source else ""
    return f"{printable(code.function)}{inside}{source}"


def _place(code: Code) -> str:
    return f"{code.rip:#x}" + (f" {printable(code.symbol)}" if code.symbol else "")


def _confidence(writer: Writer) -> str:
    if writer.by != CPU:
        return f"{writer.confidence}: {CONFIDENCES[writer.confidence]}" if writer.by == FIRMWARE_DMA else _BY_OPTION
    if writer.origin is None:
        return f"{writer.confidence}: {CONFIDENCES[writer.confidence]}"
    doubt = "perhaps the value of" if writer.confidence == PERHAPS else "the value of"
    return f"{writer.confidence}: {doubt} {printable(writer.origin)}"


def _chain(answer: Answer, links: Mapping[str, Answer]) -> list[str]:
    """Return the path of a value: this field, the function that wrote it, the field that it read, and so on."""
    steps, seen, here = [printable(answer.path)], {answer.path}, answer
    while here.writers and len(seen) <= _LONGEST_CHAIN:
        writer = here.last_writers[0]
        steps.append(_short(writer))
        if writer.confidence != REGISTER or writer.origin is None:
            break
        steps.append(printable(writer.origin))
        following = links.get(writer.origin.partition("+")[0])
        if following is None or following.path in seen:
            break
        seen.add(following.path)
        here = following
    return steps if len(steps) > 1 else []


def chain_in(lines: Sequence[str]) -> tuple[str, ...]:
    """Return the steps of the last chain in the text of `details`: fields, and the writers between them."""
    last = next((line for line in reversed(lines) if line.startswith(_CHAIN)), None)
    return () if last is None else tuple(last.removeprefix(_CHAIN).split(_WRITTEN_BY))


def step_in(line: str) -> int | None:
    """Return the number of the step of a trace that a line of `steps_in` names; None if it names a field."""
    number = line.removeprefix(STEP).partition(":")[0].replace(",", "")
    return int(number) if line.startswith(STEP) and number.isdecimal() and number.isascii() else None


def steps_in(lines: Sequence[str]) -> tuple[str, ...]:
    """Return the field and the steps of a trace in the last answer in the text of `details`, the last writer first."""
    start = next((at for at, line in reversed([*enumerate(lines)]) if line.startswith(_CHAIN)), None)
    if start is None:
        return ()
    steps: list[str] = []
    for line in reversed(lines[:start]):
        if not line.startswith("  "):
            break
        if line.strip().startswith(STEP):
            steps.insert(0, line.strip())
    return (chain_in(lines)[0], *steps)


def _short(writer: Writer) -> str:
    if writer.code is None:
        return writer.by
    place = printable((writer.code.source or "").rpartition("/")[2]) or f"{writer.code.rip:#x}"
    return " ".join(dict.fromkeys((printable(writer.code.function), place)))


def table(answers: Sequence[Answer]) -> list[str]:
    """Return one line for each field: its last writer, the input field, and how certain that is.

    If several instructions wrote its bytes, the line has the one that wrote the first byte, and the least certainty.
    All fields that were only cleared, by one memset, share one line.
    """
    rows = [("field", "last writer", "value of", "confidence", "readers")]
    cleared = 0
    for answer in answers:
        if answer.is_only_cleared:
            cleared += 1
            continue
        readers = text.counted(len(answer.readers), "reader") if answer.readers else "not read"
        rows.append((printable(answer.path), *_last(answer), readers))
    shown = text.columns(rows, indent=0, wide=_LONGEST_PATH)
    if cleared:
        shown.append(f"{text.counted(cleared, 'field')} of boot_params: written only by the instruction that clears it")
    return shown


def _last(answer: Answer) -> tuple[str, str, str]:
    """Return the last writer, the input field and the confidence."""
    writers = answer.last_writers
    if not writers:
        return "-", "", ""
    confidence = min((writer.confidence for writer in writers), key=CERTAINTY.index)
    return _short(writers[0]), printable(writers[0].origin or ""), confidence


def unread(answers: Sequence[Answer], ended: str | None = None) -> list[str]:
    """Return the fields that nothing read, one a line, with their sizes, and up to where they were watched."""
    rows = [(printable(answer.path), text.size(answer.size), f"{answer.paddr:#x}") for answer in answers]
    if not rows:
        return ["every field was read"]
    until = _NOT_READ_EARLY if ended is None else _NOT_READ_BY_DEAD
    return [f"{until}; `explain FIELD` names what reads them later:", *text.columns(rows, indent=2)]
