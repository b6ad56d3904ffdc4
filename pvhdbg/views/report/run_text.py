"""A Document as a story for a person: the kernel and its machine, each stop's news, and how it ended."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from pvhdbg.abi.text import printable
from pvhdbg.boot.record.document import DEAD, DONE, TIMED_OUT
from pvhdbg.boot.stop import stages
from pvhdbg.boot.stop.address import location_suffix
from pvhdbg.checks.run import Checked, check
from pvhdbg.views.report import findings_text, stop_text
from pvhdbg.views.rows import text
from pvhdbg.views.rows.stop import Stop

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pvhdbg.boot.record.document import Document, MachineFacts, Outcome, Rewrite
    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.checks.finding import Finding
    from pvhdbg.image.facts import ImageFacts

BUILD_ID_SHOWN = 12
REWRITES_SHOWN, BYTES_SHOWN = 32, 8


def document(of: Document) -> str:
    """Everything, each thing where it first is as it is."""
    checked = check(of)
    *found, ending = checked.new
    blocks = [list(header(of))]
    blocks += [_stop(Stop(each, of.stops[:at], of.kernel), found[at]) for at, each in enumerate(of.stops)]
    blocks += [findings_text.lines(ending), [_counted(outcome(of.outcome), checked)]]
    return _joined(blocks)


def report(of: Document) -> str:
    """What the rules find at each stop and not at one before, and about the end."""
    checked = check(of)
    *found, ending = checked.new
    blocks = [list(header(of))]
    for is_news, group in groupby(zip(of.stops, found, strict=True), key=lambda stop: bool(stop[1])):
        if is_news:
            blocks += [_report(seen.stage, told) for seen, told in group]
        else:
            blocks.append([f"{', '.join(seen.stage for seen, _ in group)}: nothing new"])
    hint = ["  `pvhdbg explain CODE` says why it matters, and what to do"] if checked.all else []
    blocks += [findings_text.lines(ending), [_counted(outcome(of.outcome), checked), *hint]]
    return _joined(blocks)


def _report(stage: str, found: Sequence[Finding]) -> list[str]:
    return [f"{stage}: {stages.stage(stage).about}", *findings_text.lines(found)]


def _joined(blocks: Iterable[Sequence[str]]) -> str:
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def _stop(stop: Stop, found: Sequence[Finding]) -> list[str]:
    """A stop's story with its findings behind it; a death begins with them."""
    lines, told = stop_text.lines(stop), findings_text.lines(found)
    head = len(stop_text.heading(stop)) if stop.seen.stage == stages.DIED else len(lines)
    return [*lines[:head], *told, *lines[head:]]


def _counted(line: str, checked: Checked) -> str:
    counted = findings_text.count(checked.all)
    return f"{line}; found: {counted}" if counted else line


def capture(seen: Capture, image: ImageFacts | None = None, earlier: Sequence[Capture] = ()) -> str:
    """One stop; what is as it was at the `earlier` ones is left out."""
    return "\n".join(stop_text.lines(Stop(seen, earlier, image))) + "\n"


def header(of: Document) -> Iterator[str]:
    if of.kernel:
        yield printable(of.kernel.path)
        yield f"  {kernel(of.kernel)}"
    yield from (f"  {line}" for line in machine(of.machine))


def kernel(facts: ImageFacts) -> str:
    """`Linux 6.1.0-56-cloud-amd64, vmlinux, 64-bit ELF, entry 0x1000850, build-id 8f3c6d2e51aa…`."""
    words = [
        f"Linux {printable(facts.release)}" if facts.release else "",
        printable(facts.kind),
        f"{facts.elf_class}-bit ELF",
        f"entry {text.address(facts.entry)}",
        f"build-id {printable(facts.build_id[:BUILD_ID_SHOWN])}…" if facts.build_id else "",
    ]
    return ", ".join(filter(None, words))


def machine(facts: MachineFacts) -> Iterator[str]:
    """The machine on a line, then what it was given."""
    qemu = f"QEMU {facts.qemu}" if facts.qemu else None
    words = [printable(each) for each in (qemu, facts.machine, facts.accel, facts.cpu, facts.memory) if each]
    if words:
        yield ", ".join(words)
    if facts.append is not None:
        yield f"-append {text.quoted(facts.append, text.LONG)}"
    if facts.initrd is not None:
        yield f"-initrd {printable(facts.initrd)}"
    yield from rewrites(facts.rewrites)


def rewrites(of: Sequence[Rewrite]) -> Iterator[str]:
    for each in of[:REWRITES_SHOWN]:
        before, after = (_bytes(data) for data in (each.before, each.after))
        yield f"rewritten at the entry: {printable(each.path)} at {each.paddr:#x}: {before} -> {after}"
    if len(of) > REWRITES_SHOWN:
        yield f"… and {len(of) - REWRITES_SHOWN} more"


def _bytes(data: bytes) -> str:
    return data[:BYTES_SHOWN].hex(" ") + ("…" if len(data) > BYTES_SHOWN else "")


def outcome(of: Outcome) -> str:
    """How it ended, on one line."""
    reached = f"reached {printable(of.reached)}" if of.reached else "no stage was reached"
    if of.ended == DONE:
        return f"done: {reached}"
    if of.ended == DEAD and of.died:
        return f"died: {of.died.describe(location_suffix(of.died.rip, of.died.symbol))} ({reached})"
    if of.ended == TIMED_OUT and of.waited_for:
        where = location_suffix(of.rip, of.symbol, ", rip ")
        return f"timeout: {printable(of.waited_for)} did not come{where} ({reached})"
    return f"{printable(of.ended)} ({reached})"
