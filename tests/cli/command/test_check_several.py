"""`pvhdbg check` with several kernels and machines: one boot for each combination, in parallel."""

from __future__ import annotations

import json
import signal
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from pvhdbg import guest
from pvhdbg.cli import main, matrix, options
from pvhdbg.vmm_profiles import table as table_of_vmms
from tests import tiny
from tests.cli import shell
from tests.cli.shell import pvhdbg
from tests.image.builder import elf, load

if TYPE_CHECKING:
    from pathlib import Path

GUEST = str(guest.ELF)
KEYS = ["kernel", "vmm", "machine", "status", "errors", "document"]
SEABIOS_CHECKSUM = 0xFFFFF


def selected(*words: str) -> list[tuple[str, ...]]:
    """Return the kernel and the machine of each boot that a command line asks for."""
    _, chosen = options.parse(["check", *words])
    everything = matrix.boots(chosen)
    return [everything[number] for number in matrix.selected(chosen)]


def without_times(document: Any) -> Any:  # noqa: ANN401 - JSON
    """Return the document without what differs in each run: sockets, times, where the guest was stopped, and a byte
    that depends on them: SeaBIOS's checksum, just below the kernel.
    """
    document["machine"].pop("argv")
    document["outcome"].pop("watched", None)
    for stop in document.get("stops", ()):
        for part in (*stop["memory"], *stop["code"]):
            at = 2 * (SEABIOS_CHECKSUM - part.get("paddr", part.get("address")))
            if 0 <= at < len(part["hex"]):
                part["hex"] = f"{part['hex'][:at]}--{part['hex'][at + 2 :]}"
    return document


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return the runs of four files on two machines, by the names of the file and the machine."""
    folder = tmp_path_factory.mktemp("several")
    (folder / "dying").write_bytes(tiny.dying())
    (folder / "refused").write_bytes(elf([load()]))
    (folder / "text").write_text("no kernel")
    done = pvhdbg(
        "check",
        GUEST,
        "-M",
        "microvm,pc",
        "-j",
        "2",
        folder / "dying",
        "--format",
        "json",
        folder / "refused",
        folder / "text",
    )
    document = done.document

    assert (1, "") == (done.status, done.err)
    assert ["pvhdbg-runs", 1] == [document[key] for key in ("format", "format_version")]
    assert [KEYS] * 8 == [[*run] for run in document["runs"]]
    return {f"{run['kernel'].rpartition('/')[2]} {run['machine']}": run for run in document["runs"]}


def test_every_kernel_is_booted_on_every_machine_in_the_order_of_the_arguments(table: dict[str, Any]) -> None:
    kernels = ("teaching-guest.elf", "dying", "refused", "text")

    assert [f"{kernel} {machine}" for kernel in kernels for machine in ("microvm", "pc")] == [*table]


def test_each_boot_has_the_exit_status_and_the_document_of_a_check_of_its_own(table: dict[str, Any]) -> None:
    for name in ("teaching-guest.elf pc", "dying microvm", "refused pc"):
        run = table[name]
        alone = pvhdbg("check", run["kernel"], "-M", run["machine"], "--format", "json")

        assert alone.status == run["status"]
        assert without_times(alone.document) == without_times(json.loads(json.dumps(run["document"])))
        assert [f"pvhdbg: error: {error}" for error in run["errors"]] == [
            line for line in alone.err.splitlines() if line.startswith("pvhdbg: error: ")
        ]


def test_a_file_that_is_not_a_kernel_is_a_run_without_a_document(table: dict[str, Any]) -> None:
    for machine in ("microvm", "pc"):
        run = table[f"text {machine}"]

        assert (2, None) == (run["status"], run["document"])
        assert [f"{run['kernel']}: neither an ELF file nor a bzImage"] == run["errors"]


def test_the_text_is_a_table_with_the_stage_the_end_and_the_first_error(dying: Path) -> None:
    done = pvhdbg("check", dying, GUEST, "/nonexistent/kernel")
    header, died, halted, missing, blank, count = done.out.splitlines()

    assert (1, "", "") == (done.status, done.err, blank)
    assert ["kernel", "vmm", "machine", "result", "reached", "ended", "first", "error"] == header.split()
    assert ["dying.elf", "qemu", "microvm", "failed", "prepare", "died"] == died.split()[:6]
    assert died[header.index("first error") :].startswith("PVH901 BUG (ud2 at 0x100047")
    assert ["teaching-guest.elf", "qemu", "microvm", "ok", "e820", "halted", "-"] == halted.split()
    assert ["kernel", "qemu", "microvm", "failed", "(2)", "-", "-", "/nonexistent/kernel:"] == missing.split()[:8]
    assert "2 of 3 boots failed" == count


def test_if_every_boot_passes_the_exit_status_is_0() -> None:
    done = pvhdbg("check", "-M", "microvm,pc", "--watch", "0")

    assert (0, "") == (done.status, done.err)
    assert done.out.endswith("\n\nall 2 boots passed\n")


@pytest.mark.parametrize(
    ("words", "machines"),
    [
        ("pc", ["pc"]),
        ("pc,q35,pc", ["pc", "q35"]),
        ("microvm,acpi=off", ["microvm,acpi=off"]),
        ("microvm,acpi=off,rtc=on,pc,q35,smm=off", ["microvm,acpi=off,rtc=on", "pc", "q35,smm=off"]),
        ("type=pc,x-path=a,,b", ["type=pc,x-path=a,,b"]),
    ],
)
def test_a_comma_begins_another_machine_or_a_property(words: str, machines: list[str]) -> None:
    assert [(GUEST, "qemu", machine) for machine in machines] == selected("-M", words)


def test_every_vmm_is_combined_with_every_kernel_and_machine() -> None:
    both = ("qemu", "firecracker")
    everything = [(kernel, vmm, machine) for kernel in "ab" for vmm in both for machine in ("pc", "microvm")]

    assert everything == selected("a", "b", "--vmm", ",".join(both), "-M", "pc,microvm")


def test_all_vmms_are_those_that_hand_over_a_map() -> None:
    chosen = [boot[1] for boot in selected("--vmm", "all")]

    assert "firecracker" in chosen
    assert {*table_of_vmms.NAMES} - {"rfc2017", "xen-dom0"} == {*chosen}


def test_each_vmm_hands_over_its_own_boot_data() -> None:
    done = pvhdbg("check", "--vmm", "qemu,firecracker", "--watch", "0", "--format", "json")
    qemu, firecracker = done.document["runs"]

    assert (0, ["qemu", "firecracker"]) == (done.status, [run["vmm"] for run in done.document["runs"]])
    assert "vmm" not in qemu["document"]["machine"]
    assert "firecracker" == firecracker["document"]["machine"]["vmm"]["name"]
    assert 0x6000 == firecracker["document"]["stops"][0]["start_info"]["paddr"]


def test_the_shards_together_have_every_boot_once() -> None:
    words = ("a", "b", "c", "-M", "microvm,pc", "d", "e")
    shards = [selected(*words, "--shard", f"{number}/4") for number in (1, 2, 3, 4)]

    assert [3, 3, 2, 2] == [len(shard) for shard in shards]
    assert sorted(selected(*words)) == sorted(boot for shard in shards for boot in shard)


def test_a_shard_without_boots_is_a_success(capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == main(["check", "--shard", "2/2"])
    assert "no boots\n" == capsys.readouterr().out


@pytest.mark.parametrize(
    "words",
    [
        "-j 0",
        "-j x",
        "-j 10000",
        "--shard 0/2",
        "--shard 3/2",
        "--shard 1",
        "-M a,",
        "-M ,",
        "--vmm none",
        "--vmm qemu,",
        "--vmm all,qemu",
    ],
)
def test_a_wrong_value_is_exit_status_2(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert 2 == main(["check", *words.split()])
    assert capsys.readouterr().err.startswith(f"pvhdbg: error: argument {words.split(maxsplit=1)[0]}")


def test_an_interrupt_prints_what_is_known_and_is_exit_status_130(waiting: Path, tmp_path: Path) -> None:
    report = tmp_path / "runs"
    words = ("check", waiting, "-M", "microvm,pc,q35", "-j", "1", "--timeout", "600", "--format", "json")
    with shell.running(*words, "--", *tiny.report_to(report), folder=tmp_path) as process:
        shell.wait_for(lambda: report.exists() and report.read_bytes())
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=shell.PATIENCE)
    runs = json.loads(out)["runs"]

    assert (130, b"") == (process.returncode, err)
    assert [130] * 3 == [run["status"] for run in runs]
    assert "interrupted" == runs[0]["document"]["outcome"]["ended"]
    assert [(None, ["not started"])] * 2 == [(run["document"], run["errors"]) for run in runs[1:]]


def test_a_pvhdbg_that_is_killed_is_a_failed_run(waiting: Path, tmp_path: Path) -> None:
    report = tmp_path / "runs"
    words = ("check", waiting, "/nonexistent", "-j", "1", "--timeout", "600", "--", *tiny.report_to(report))
    with shell.running(*words, folder=tmp_path) as process:
        shell.wait_for(lambda: report.exists() and report.read_bytes())
        (child,) = (pid for pid, line in shell.started_in(tmp_path).items() if "--shard 1/2" in line)
        subprocess.run(["kill", "-9", str(child)], check=True)
        out, _ = process.communicate(timeout=shell.PATIENCE)
    _, killed, missing, *_ = out.decode().splitlines()

    assert 1 == process.returncode
    assert killed.endswith("pvhdbg was killed by SIGKILL")
    assert "/nonexistent" in missing
