"""Guests that are not Linux: pvhdbg explains their deaths, and what overwrote their image."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from pvhdbg.boot.record.document import DEAD, Death, Document, MachineFacts, Outcome
from pvhdbg.boot.record.replay import replay
from pvhdbg.boot.run.journey import Journey
from pvhdbg.boot.stop import stages
from pvhdbg.checks.finding import ERROR, WARNING
from pvhdbg.checks.run import check_run
from pvhdbg.image.load import open_kernel
from pvhdbg.live.debuggee.stub_machine import StubMachine
from pvhdbg.live.qemu.options import QemuOptions
from pvhdbg.target import base
from pvhdbg.views.to_json import document_json
from tests.paths import ROOT
from tests.qboot import QBOOT

if TYPE_CHECKING:
    from pvhdbg.checks.finding import Finding

SOURCES = Path(__file__).parent / "guests"
DEATHS = ("NO_STACK", "NOT_MAPPED", "UNMAPPED", "ABORTED", "BAD_SELECTOR", "NO_GDT", "OVERWRITTEN")
LOW, USUAL = 0x1000, 0x200000
NEVER = 0xDEAD0000
PATIENCE = 60.0
RUNS_ON = 2.0


class End(NamedTuple):
    """How a guest ends: its machine, and the codes, severities and fields of the findings above info."""

    death: str
    machine: str
    findings: tuple[tuple[str, str, str], ...]
    args: tuple[str, ...] = ()


def error(code: str, field: str) -> tuple[str, str, str]:
    return code, ERROR, field


DIED = error("PVH900", "registers.rip")
OVERWRITTEN = error("PVH344", "kernel.segments")
BY_FIRMWARE = "No boot data is there, so it was probably the firmware."
ENDS = (
    End("NO_STACK", "microvm", (error("PVH930", "registers.rsp"), DIED), QBOOT),
    End("NO_STACK", "q35", (error("PVH930", "registers.rsp"), DIED)),
    End("NOT_MAPPED", "microvm", (error("PVH931", "registers.cr2"), DIED), QBOOT),
    End("UNMAPPED", "microvm", (error("PVH934", "registers.cr2"), DIED), QBOOT),
    End("ABORTED", "microvm,acpi=off", (error("PVH932", "registers.rip"), DIED), QBOOT),
    End("BAD_SELECTOR", "microvm", (error("PVH933", "registers.gdtr.base"), DIED), QBOOT),
    End("NO_GDT", "q35", (error("PVH933", "registers.gdtr.base"), DIED)),
)


def build(folder: Path, death: str) -> Path:
    """Build the guest that dies in this way."""
    path, base_address = folder / f"{death}.elf", LOW if death == "OVERWRITTEN" else USUAL
    defines = [f"-D{name}={number}" for number, name in enumerate(DEATHS, 1)]
    layout = [f"-Wl,-T,{SOURCES / 'guest.ld'}", f"-Wl,--defsym=BASE={base_address:#x}"]
    options = [
        "-nostdlib",
        "-static",
        "-no-pie",
        "-Wl,-z,noexecstack",
        "-Wl,--no-warn-rwx-segments",
        "-Wl,-e,start",
        "-Wl,--build-id=none",
    ]
    source = str(SOURCES / "guest.S")
    subprocess.run(["gcc", *options, *layout, *defines, f"-DDEATH={death}", source, "-o", str(path)], check=True)
    return path


def boot(path: Path, machine: str, args: tuple[str, ...] = ()) -> Document:
    """Boot a guest and let it run on after its entry."""
    with StubMachine() as stub:
        kernel = open_kernel(str(path), stub.folder)
        options = QemuOptions(str(path), machine=machine, args=args)
        stub.boot(options, kernel.symbols)
        stub.wait_ready()
        target = stub.target
        journey = Journey(target, stub.runner, kernel.facts, reading=target.physical_reads, trust_image=True)
        assert [base.HIT] == [halt.kind for halt in journey.go("entry", PATIENCE)]
        halt = stub.runner.run_to([NEVER], RUNS_ON if "OVERWRITTEN" in path.name else PATIENCE)
        outcome = Outcome("entry", "done")
        if halt.kind == base.DIED:
            journey.capture_at(stages.DIED)
            outcome = Outcome("entry", DEAD, Death(halt.how or "", halt.rip, None, halt.message))
    facts = MachineFacts(machine=machine, argv=("qemu", "-M", machine))
    return Document(kernel.facts, facts, tuple(journey.history), outcome)


def serious(document: Document) -> list[Finding]:
    """Return the findings at the end of the run that are not infos."""
    return [finding for finding in check_run(document).stops[-1] if finding.severity in (ERROR, WARNING)]


@pytest.fixture(scope="module", params=ENDS, ids=lambda end: f"{end.death} on {end.machine}")
def ended(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[End, Document]:
    end = request.param
    assert isinstance(end, End)
    path = build(tmp_path_factory.mktemp("guest"), end.death)
    return end, boot(path, end.machine, end.args)


def test_a_death_is_explained_by_what_the_cpu_shows(ended: tuple[End, Document]) -> None:
    end, document = ended
    found = serious(document)

    assert DEAD == document.outcome.ended
    assert [*end.findings] == [(finding.code, finding.severity, finding.field) for finding in found]


def test_a_recording_explains_the_death_in_the_same_words(ended: tuple[End, Document]) -> None:
    _, document = ended

    assert check_run(document) == check_run(replay(document_json.to_dict(document)))


def test_the_last_line_of_a_guest_that_aborts_is_quoted(tmp_path: Path) -> None:
    kernel = build(tmp_path, "ABORTED")
    options = ("-M", "microvm,acpi=off", "--format", "json", "--", *QBOOT)
    command = [sys.executable, "-m", "pvhdbg", "check", str(kernel), *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False, timeout=4 * PATIENCE)
    document = json.loads(done.stdout)
    first = document["stops"][-1]["findings"][0]

    assert 1 == done.returncode, done.stderr
    assert "no RSDP: giving up" == document["outcome"]["watched"]["serial"][-1]
    assert ("PVH932", "registers.rip") == (first["code"], first["field"])
    assert '"no RSDP: giving up"' in first["message"]


@pytest.mark.parametrize(
    ("machine", "args", "names"),
    [
        ("microvm", QBOOT, [BY_FIRMWARE]),
        (
            "q35",
            (),
            [
                "The VMM put the command line there.",
                "The VMM put start_info there.",
                BY_FIRMWARE,
            ],
        ),
    ],
)
def test_an_image_in_memory_that_the_firmware_uses_is_reported_as_overwritten(
    tmp_path: Path, machine: str, args: tuple[str, ...], names: list[str]
) -> None:
    document = boot(build(tmp_path, "OVERWRITTEN"), machine, args)
    found = [finding for finding in check_run(document).stops[0] if finding.code == "PVH344"]

    assert [OVERWRITTEN] * len(names) == [(finding.code, finding.severity, finding.field) for finding in found]
    assert names == [name for finding in found for name in names if name in finding.message]
    assert sorted(finding.at or 0 for finding in found) == [finding.at for finding in found]
    assert "PVH908" not in [finding.code for finding in check_run(document).all]
    assert document.stops[0].overwritten == replay(document_json.to_dict(document)).stops[0].overwritten


def test_an_image_that_is_intact_is_not_reported(tmp_path: Path) -> None:
    document = boot(build(tmp_path, "UNMAPPED"), "q35")

    assert () == document.stops[0].overwritten
