"""Debian's kernels on QEMU's machines: what we read is what gdb, QEMU and the kernel itself say at the same moment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from pvhdbg.boot.stop import stages
from pvhdbg.live.qemu.options import DEFAULT_APPEND, QemuOptions
from pvhdbg.views.to_json import document_json
from tests import bios_e820
from tests.boot import real_boot
from tests.cli import shell

if TYPE_CHECKING:
    from pathlib import Path

    from pvhdbg.boot.stop.capture import Capture
    from tests.boot.real_boot import RealBoot

MACHINES = ("microvm", "pc", "q35")
OWN_APPEND = 'earlyprintk=ttyS0 console=ttyS0  two=" words" back\\slash \x01\x1b[31m \xe4'


class Case(NamedTuple):
    """What is booted, besides the kernel. Without an append of its own it is the default one, and no initrd."""

    machine: str
    is_own: bool

    def append(self) -> str:
        return OWN_APPEND if self.is_own else DEFAULT_APPEND

    def __str__(self) -> str:
        return f"{self.machine}{'-initrd' if self.is_own else ''}"


@pytest.fixture(scope="module", params=[Case(machine, own) for machine in MACHINES for own in (False, True)], ids=str)
def case(request: pytest.FixtureRequest) -> Case:
    found = request.param
    assert isinstance(found, Case)
    return found


@pytest.fixture(scope="module")
def boot(debian_vmlinux: Path, case: Case, initrd: Path) -> RealBoot:
    return real_boot.boot(
        QemuOptions(
            kernel=str(debian_vmlinux),
            machine=case.machine,
            append=case.append(),
            initrd=str(initrd) if case.is_own else None,
        )
    )


@pytest.fixture(scope="module")
def dumped(debian_vmlinux: Path, case: Case, initrd: Path) -> Any:  # noqa: ANN401 - JSON
    """The same boot by the shell's command."""
    own = ("-i", initrd, "-a", OWN_APPEND) if case.is_own else ()
    done = shell.pvhdbg("dump", debian_vmlinux, "--format", "json", "-M", case.machine, *own, "--timeout", "120")
    assert (0, "") == (done.status, done.err)
    return done.document


def fields(record: Any) -> Any:  # noqa: ANN401 - JSON
    """A structure as gdb writes it too."""
    return document_json.value(record)


def ranges(seen: Capture) -> list[bios_e820.Range]:
    assert seen.e820_table is not None
    return [(each.addr, each.size, each.type) for each in seen.e820_table.entries]


def test_the_e820_table_is_the_map_that_the_kernel_prints(boot: RealBoot) -> None:
    told = bios_e820.ranges(boot.console)

    assert len(told) >= 4
    assert told == ranges(boot.captures["e820"])


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
    found = boot.captures["prepare"].memory_map

    assert found is not None
    assert "memmap" == found.protocol
    assert boot.gdb["prepare"]["memory_map"] == fields(found.entries)


def test_the_modules_are_what_gdb_says(boot: RealBoot, case: Case, initrd: Path) -> None:
    modules = boot.captures["prepare"].modules

    assert modules is not None
    assert boot.gdb["prepare"].get("modules", []) == [fields(each.entry) for each in modules]
    assert [initrd.stat().st_size] * case.is_own == [each.entry.size for each in modules]


def test_the_command_line_is_what_gdb_says_and_what_was_given(boot: RealBoot, case: Case) -> None:
    cmdline = boot.captures["prepare"].cmdline

    assert cmdline is not None
    assert boot.gdb["prepare"]["cmdline"] == (cmdline.raw + b"\0").hex()
    assert case.append().encode() == cmdline.raw


def test_pvh_bootparams_are_what_gdb_says(boot: RealBoot) -> None:
    params = boot.captures["bootparams"].boot_params

    assert params is not None
    assert boot.gdb["bootparams"]["pvh_bootparams"] == fields(params)
    assert boot.paddr("bootparams", "pvh_bootparams") == params.at


@pytest.mark.parametrize("stage", ["kernel", "e820"])
def test_the_kernels_boot_params_are_what_gdb_says(boot: RealBoot, stage: str) -> None:
    params = boot.captures[stage].kernel_boot_params

    assert params is not None
    assert boot.gdb[stage]["boot_params"] == fields(params)
    assert boot.paddr(stage, "boot_params") == params.at


@pytest.mark.parametrize("stage", ["prepare", "kernel"])
def test_page_walks_end_where_qemus_own_do(boot: RealBoot, stage: str) -> None:
    walks = boot.qemu_walks[stage]
    mapped = [each for each in walks.values() if each is not None]

    assert min(len(mapped), len(walks) - len(mapped)) >= 10
    assert walks == boot.our_walks[stage]


def test_dump_reaches_every_stage_and_prints_what_is_valid_there(boot: RealBoot, dumped: Any) -> None:  # noqa: ANN401
    ours = {stage: valid(document_json.stop(seen)) for stage, seen in boot.captures.items()}

    assert ["done", "e820"] == [dumped["outcome"][key] for key in ("ended", "reached")]
    assert ours == {stop["stage"]: valid(stop) for stop in dumped["stops"]}
    assert None not in [value for each in ours.values() for value in each.values()]


def valid(stop: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """What a stop is about."""
    return {key: stop[key] for key in stages.stage(stop["stage"]).valid}
