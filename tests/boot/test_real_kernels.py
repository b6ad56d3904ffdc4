"""Debian's kernels on QEMU's machines: pvhdbg reads the same values as gdb, QEMU and the kernel itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from pvhdbg.boot.stop import stages
from pvhdbg.boot.stop.map_entries import decode_entries
from pvhdbg.live.qemu.options import DEFAULT_APPEND, QemuOptions
from pvhdbg.views.to_json import document_json
from tests import bios_e820
from tests.abi.newer import values_as_in
from tests.boot import real_boot
from tests.cli import shell

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pvhdbg.boot.stop.capture import Capture
    from tests.boot.real_boot import RealBoot

MACHINES = ("microvm", "pc", "q35")
OWN_APPEND = 'earlyprintk=ttyS0 console=ttyS0  two=" words" back\\slash \x01\x1b[31m \xe4'


class Case(NamedTuple):
    """How a kernel is booted: with the default command line and no initrd, or with OWN_APPEND and an initrd."""

    machine: str
    has_initrd: bool

    def append(self) -> str:
        return OWN_APPEND if self.has_initrd else DEFAULT_APPEND

    def __str__(self) -> str:
        return f"{self.machine}{'-initrd' if self.has_initrd else ''}"


# Each takes some seconds. Each kernel and each machine boots with and without an initrd, 6.1 on all machines.
BOOTS = [("6.1", Case(machine, machine == "pc")) for machine in MACHINES]
BOOTS += [(kernel, case) for kernel in ("6.12", "6.1-686") for case in (Case("microvm", True), Case("pc", False))]
BOOTS += [(kernel, case) for kernel in ("5.10", "sid") for case in (Case("microvm", False), Case("q35", True))]


@pytest.fixture(scope="module", params=BOOTS, ids=lambda boot: "-".join(map(str, boot)))
def kernel_and_case(request: pytest.FixtureRequest, find_vmlinux: Callable[[str], Path]) -> tuple[Path, Case]:
    release, case = request.param
    return find_vmlinux(release), case


@pytest.fixture(scope="module")
def kernel(kernel_and_case: tuple[Path, Case]) -> Path:
    return kernel_and_case[0]


@pytest.fixture(scope="module")
def case(kernel_and_case: tuple[Path, Case]) -> Case:
    return kernel_and_case[1]


@pytest.fixture(scope="module")
def boot(kernel: Path, case: Case, initrd: Path) -> RealBoot:
    return real_boot.boot(
        QemuOptions(
            kernel=str(kernel),
            machine=case.machine,
            append=case.append(),
            initrd=str(initrd) if case.has_initrd else None,
        )
    )


@pytest.fixture(scope="module")
def dumped(kernel: Path, case: Case, initrd: Path) -> Any:  # noqa: ANN401 - JSON
    """The document that `pvhdbg dump` prints for the same boot."""
    options = ("-i", initrd, "-a", OWN_APPEND) if case.has_initrd else ()
    done = shell.pvhdbg("dump", kernel, "--format", "json", "-M", case.machine, *options, "--timeout", "120")
    assert (0, "") == (done.status, done.err)
    return done.document


def fields(record: Any) -> Any:  # noqa: ANN401 - JSON
    """Return the fields of a structure in the same form as values_in_gdb."""
    return document_json.value(record)


def e820_entries(capture: Capture) -> list[bios_e820.Range]:
    assert capture.e820_table is not None
    return list(decode_entries(capture.e820_table.entries))


def test_the_e820_table_is_the_map_that_the_kernel_prints(boot: RealBoot) -> None:
    printed = bios_e820.ranges(boot.console)

    assert len(printed) >= 4
    assert printed == e820_entries(boot.captures["e820"])


def test_the_e820_table_is_what_gdb_says(boot: RealBoot) -> None:
    table = boot.captures["e820"].e820_table

    assert table is not None
    assert boot.gdb["e820"]["nr_entries"] == table.nr_entries == len(table.entries)
    assert boot.gdb["e820"]["entries"] == fields(table.entries)


def test_the_kernels_copy_of_start_info_is_what_gdb_says(boot: RealBoot) -> None:
    copy = boot.captures["prepare"].pvh_start_info

    assert copy is not None
    assert boot.gdb["prepare"]["pvh_start_info"] == fields(copy)
    assert boot.paddr("prepare", "pvh_start_info") == copy.at


def test_the_memory_map_is_what_gdb_says(boot: RealBoot) -> None:
    memory_map = boot.captures["prepare"].memory_map

    assert memory_map is not None
    assert "memmap" == memory_map.protocol
    assert boot.gdb["prepare"]["memory_map"] == fields(memory_map.entries)


def test_the_modules_are_what_gdb_says(boot: RealBoot, case: Case, initrd: Path) -> None:
    modules = boot.captures["prepare"].modules

    assert modules is not None
    assert boot.gdb["prepare"].get("modules", []) == [fields(module.entry) for module in modules]
    assert [initrd.stat().st_size] * case.has_initrd == [module.entry.size for module in modules]


def test_the_command_line_is_what_gdb_says_and_what_qemu_was_given(boot: RealBoot, case: Case) -> None:
    cmdline = boot.captures["prepare"].cmdline

    assert cmdline is not None
    assert boot.gdb["prepare"]["cmdline"] == (cmdline.raw + b"\0").hex()
    assert case.append().encode() == cmdline.raw


def test_pvh_bootparams_are_what_gdb_says(boot: RealBoot) -> None:
    params = boot.captures["bootparams"].boot_params

    assert params is not None
    in_gdb = boot.gdb["bootparams"]["pvh_bootparams"]
    assert in_gdb == values_as_in(in_gdb, fields(params))
    assert boot.paddr("bootparams", "pvh_bootparams") == params.at


@pytest.mark.parametrize("stage", ["kernel", "e820"])
def test_the_kernels_boot_params_are_what_gdb_says(boot: RealBoot, stage: str) -> None:
    params = boot.captures[stage].kernel_boot_params

    assert params is not None
    in_gdb = boot.gdb[stage]["boot_params"]
    assert in_gdb == values_as_in(in_gdb, fields(params))
    assert boot.paddr(stage, "boot_params") == params.at


@pytest.mark.parametrize("stage", ["prepare", "kernel"])
def test_page_walks_agree_with_qemus(boot: RealBoot, stage: str) -> None:
    walks = boot.qemu_walks[stage]
    mapped = [paddr for paddr in walks.values() if paddr is not None]

    assert min(len(mapped), len(walks) - len(mapped)) >= 10
    assert walks == boot.our_walks[stage]


def test_dump_reaches_every_stage_and_prints_what_is_valid_there(boot: RealBoot, dumped: Any) -> None:  # noqa: ANN401
    ours = {stage: valid(document_json.stop(capture)) for stage, capture in boot.captures.items()}

    assert ["done", "e820"] == [dumped["outcome"][key] for key in ("ended", "reached")]
    assert ours == {stop["stage"]: valid(stop) for stop in dumped["stops"]}
    assert None not in [value for keys in ours.values() for value in keys.values()]


def valid(stop: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """Return the keys that are valid at a stop's stage."""
    return {key: stop[key] for key in stages.stage(stop["stage"]).valid}
