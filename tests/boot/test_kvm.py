"""One real kernel under KVM, where there is one that works."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pvhdbg.live.qemu.options import QemuOptions
from pvhdbg.views.to_json import document_json
from tests import bios_e820
from tests.boot import real_boot
from tests.cli import shell

if TYPE_CHECKING:
    from pathlib import Path

    from tests.boot.real_boot import RealBoot

# What a KVM that is itself virtual can't always give: first IA32_ARCH_CAPABILITIES, then anything of the host's.
CPUS = ("host", "host,-arch-capabilities", "qemu64")


@pytest.fixture(scope="module")
def cpu(kvm: None) -> str:  # noqa: ARG001 - it skips
    """The most that KVM can give a guest here."""
    complaints = []
    for each in CPUS:
        done = shell.pvhdbg("dump", "--accel", "kvm", "--cpu", each, "--stage", "prepare")
        if done.status == 0:
            return each
        complaints.append(f"{each}: {done.err.partition(chr(10))[0]}")
    pytest.skip(f"KVM boots no guest here: {'; '.join(complaints)}")


@pytest.fixture(scope="module")
def boot(vmlinux_61: Path, initrd: Path, cpu: str) -> RealBoot:
    return real_boot.boot(QemuOptions(kernel=str(vmlinux_61), initrd=str(initrd), accel="kvm", cpu=cpu))


@pytest.mark.timeout(900)
def test_under_kvm_too_the_e820_table_is_the_map_that_the_kernel_prints(boot: RealBoot) -> None:
    told = bios_e820.ranges(boot.console)
    table = boot.captures["e820"].e820_table

    assert table is not None
    assert len(told) >= 4
    assert told == [(each.addr, each.size, each.type) for each in table.entries]


def test_under_kvm_too_what_is_read_is_what_gdb_says(boot: RealBoot) -> None:
    prepare, bootparams = boot.captures["prepare"], boot.captures["bootparams"]

    assert prepare.memory_map is not None
    assert boot.gdb["prepare"]["pvh_start_info"] == document_json.value(prepare.pvh_start_info)
    assert boot.gdb["prepare"]["memory_map"] == document_json.value(prepare.memory_map.entries)
    assert boot.gdb["bootparams"]["pvh_bootparams"] == document_json.value(bootparams.boot_params)
    assert boot.gdb["kernel"]["boot_params"] == document_json.value(boot.captures["kernel"].kernel_boot_params)


def test_under_kvm_too_page_walks_end_where_qemus_own_do(boot: RealBoot) -> None:
    assert boot.qemu_walks == boot.our_walks
