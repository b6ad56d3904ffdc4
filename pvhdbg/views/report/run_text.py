"""A whole run as text: the kernel, the machine, what is new at each stop, and how the run ended."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from pvhdbg.abi.text import printable
from pvhdbg.boot.record.document import CONSOLE, DEAD, DONE, REFUSED, TIMED_OUT, TRANSPLANT
from pvhdbg.boot.stop import stages
from pvhdbg.boot.stop.address import location_suffix
from pvhdbg.boot.stop.stop import Stop
from pvhdbg.checks.run import RunFindings, check_run
from pvhdbg.guest_profiles.table import OTHER
from pvhdbg.views.report import findings_text, stop_text
from pvhdbg.views.rows import text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pvhdbg.boot.record.document import Death, Document, MachineFacts, Outcome, Rewrite, VmmFacts
    from pvhdbg.checks.finding import Finding
    from pvhdbg.image.facts import ImageFacts

BUILD_ID_SHOWN = 12
REWRITES_SHOWN, BYTES_SHOWN = 32, 8


def document(run: Document) -> str:
    """Return the report of `dump` and `show`. A structure or finding is listed at the first stop that has it."""
    checked = check_run(run)
    *findings_of_stops, ending = checked.new
    blocks = [list(header(run))]
    for index, capture in enumerate(run.stops):
        stop = Stop(capture, run.stops[:index], run.kernel)
        blocks.append(_stop(stop, findings_text.folded(findings_of_stops[index], run.machine)))
    blocks += [*_after_stages(run.outcome), findings_text.lines(ending)]
    if run.trace is not None:
        from pvhdbg.views.report import trace_text

        blocks.append(trace_text.lines(run.trace))
    return _joined([*blocks, [_with_count(outcome(run.outcome, checked), checked)]])


def report(run: Document) -> str:
    """Return the report of `check`: the new findings at each stop, and the findings about the end of the run."""
    checked = check_run(run)
    *findings_of_stops, ending = checked.new
    blocks = [list(header(run))]
    stops = zip(run.stops, findings_of_stops, strict=True)
    for has_findings, group in groupby(stops, key=lambda stop: bool(stop[1])):
        if has_findings:
            blocks += [_findings_of_stop(run, capture.stage, findings) for capture, findings in group]
        else:
            blocks.append([f"{', '.join(capture.stage for capture, _ in group)}: no new findings"])
    hint = ["  `pvhdbg explain CODE` explains a finding and its fix"] if checked.all else []
    blocks += [*_after_stages(run.outcome), findings_text.lines(ending)]
    return _joined([*blocks, [_with_count(outcome(run.outcome, checked), checked), *hint]])


def _after_stages(end: Outcome) -> list[list[str]]:
    """Return the last output of a guest that was watched; nothing if it started its console, which has the output."""
    if end.watched is None or end.watched.ended == CONSOLE:
        return []
    from pvhdbg.views.report import watched_text

    return watched_text.last_output(end.watched)


def _findings_of_stop(run: Document, stage: str, findings: Sequence[Finding]) -> list[str]:
    return [f"{stage}: {stages.stage(stage, run.kernel).about}", *findings_text.folded(findings, run.machine)]


def _joined(blocks: Iterable[Sequence[str]]) -> str:
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def _stop(stop: Stop, findings: Sequence[str]) -> list[str]:
    """Return the lines of a stop, then those of its findings. If the guest died, they come after the heading."""
    lines = stop_text.lines(stop)
    head = len(stop_text.heading(stop)) if stop.capture.stage == stages.DIED else len(lines)
    return [*lines[:head], *findings, *lines[head:]]


def _with_count(line: str, checked: RunFindings) -> str:
    counted = findings_text.count(checked.all)
    return f"{line}; findings: {counted}" if counted else line


def one_stop(stop: Stop) -> str:
    """Return one stop without findings. What has not changed since the previous stop is left out."""
    return "\n".join(stop_text.lines(stop)) + "\n"


def header_and_stop(run: Document, stop: Stop) -> str:
    """Return what `attach` prints of a living guest: the kernel file, the machine and the current stop."""
    return "".join(f"{line}\n" for line in header(run)) + one_stop(stop)


def header(run: Document) -> Iterator[str]:
    if run.kernel:
        yield printable(run.kernel.path)
        yield f"  {kernel(run.kernel)}"
    yield from (f"  {line}" for line in machine(run.machine))


def kernel(facts: ImageFacts) -> str:
    """Return text such as `Linux 6.1.0-56-cloud-amd64, vmlinux, 64-bit ELF, entry 0x1000850, build-id 8f3c6d2e…`."""
    parts = [
        f"Linux {printable(facts.release)}" if facts.release else "",
        "" if facts.is_linux or facts.guest in ("", OTHER.name) else facts.profile.title,
        printable(facts.kind),
        f"{facts.elf_class}-bit ELF",
        f"entry {text.address(facts.entry)}",
        f"build-id {printable(facts.build_id[:BUILD_ID_SHOWN])}…" if facts.build_id else "",
    ]
    return ", ".join(filter(None, parts))


def machine(facts: MachineFacts) -> Iterator[str]:
    """Yield a line with QEMU's version and the machine, then the command line, the initrd and the rewrites."""
    qemu = f"QEMU {facts.qemu}" if facts.qemu else None
    parts = [printable(part) for part in (qemu, facts.machine, facts.accel, facts.cpu, facts.memory) if part]
    if parts:
        yield ", ".join(parts)
    if facts.append is not None:
        yield f"-append {text.quoted(facts.append, text.LONG)}"
    if facts.initrd is not None:
        yield f"-initrd {printable(facts.initrd)}"
    if facts.xen is not None:
        version = f"Xen {facts.xen.version}" if facts.xen.version else "Xen"
        yield f"--xen: {printable(version)} started the kernel as its dom0 ({printable(facts.xen.image)})"
    if facts.vmm is not None:
        yield _handed_over(facts.vmm)
    yield from rewrites(facts.rewrites)


def _handed_over(vmm: VmmFacts) -> str:
    if vmm.name == TRANSPLANT:
        return f"transplant: handed over what {printable(vmm.version)} has"
    version = f", version {vmm.version}" if vmm.version else ""
    return f"--vmm {printable(vmm.name + version)}"


def rewrites(changes: Sequence[Rewrite]) -> Iterator[str]:
    for change in changes[:REWRITES_SHOWN]:
        before, after = (text.hex_start(data, BYTES_SHOWN) for data in (change.before, change.after))
        yield f"pvhdbg changed {printable(change.path)} at {change.paddr:#x}: {before} -> {after}"
    if len(changes) > REWRITES_SHOWN:
        yield f"… and {len(changes) - REWRITES_SHOWN} more"


def outcome(end: Outcome, checked: RunFindings | None = None) -> str:
    """Return one line that describes how the run ended. `checked` has the findings, if they are known."""
    if end.ended == DONE:
        done = f"reached {printable(end.reached)}" if end.reached else "no stage reached"
        return f"done: {done}; {_watched(end)}"
    if end.ended == REFUSED:
        return "refused: pvhdbg did not start this kernel"
    if end.ended == DEAD and end.died:
        return f"died: {death(end.died, checked)}; {_last_stage(end)}"
    return early_end(end) or f"{printable(end.ended)}; {_last_stage(end)}"


def early_end(end: Outcome) -> str:
    """Describe a run that did not reach a stage, although the guest did not die; empty for any other end."""
    if end.ended != TIMED_OUT or not end.waited_for:
        return ""
    stage, last = printable(end.waited_for), _last_stage(end)
    if end.watched is not None and end.early_end:
        from pvhdbg.views.report import watched_text

        return f"{watched_text.ending(end.watched)}, before stage {stage}; {last}"
    return f"timed out waiting for stage {stage}{location_suffix(end.rip, end.symbol, ', rip ')}; {last}"


def _last_stage(end: Outcome) -> str:
    return f"last stage reached: {printable(end.reached)}" if end.reached else "no stage was reached"


def _watched(end: Outcome) -> str:
    if end.watched is None:
        return f"not watched after {printable(end.reached) if end.reached else 'the start'}"
    from pvhdbg.views.report import watched_text

    return watched_text.summary(end.watched)


def death(died: Death, checked: RunFindings | None) -> str:
    """Describe how the guest died. If a finding names the cause, the guest did not request the reset itself."""
    location = location_suffix(died.rip, died.symbol)
    is_explained = checked is not None and any(finding.explains_death for finding in checked.all)
    return f"triple fault{location}" if died.is_triple_fault and is_explained else died.describe(location)
