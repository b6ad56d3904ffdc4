"""Boot one real kernel under KVM, if KVM works on this host."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pvhdbg.boot.stop.map_entries import decode_entries
from pvhdbg.live.qemu.options import QemuOptions
from tests import bios_e820
from tests.abi.newer import values_as_in
from tests.boot import real_boot
from tests.boot.test_real_kernels import fields
from tests.cli import shell

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.boot.real_boot import RealBoot

# Nested KVM may not support IA32_ARCH_CAPABILITIES, or not even the host's CPU model.
CPUS = ("host", "host,-arch-capabilities", "qemu64")


@pytest.fixture(scope="module")
def cpu(kvm: None) -> str:  # noqa: ARG001 - it skips
    """The best CPU model that KVM supports on this host."""
    complaints = []
    for model in CPUS:
        done = shell.pvhdbg("dump", "--accel", "kvm", "--cpu", model, "--stage", "prepare")
        if done.status == 0:
            return model
        complaints.append(f"{model}: {done.err.partition(chr(10))[0]}")
    pytest.skip(f"KVM boots no guest here: {'; '.join(complaints)}")


@pytest.fixture(scope="module")
def boot(find_vmlinux: Callable[[str], Path], initrd: Path, cpu: str) -> RealBoot:
    # Inside an emulated machine, KVM needs twice as long for a newer kernel.
    return real_boot.boot(QemuOptions(kernel=str(find_vmlinux("5.10")), initrd=str(initrd), accel="kvm", cpu=cpu))


@pytest.mark.timeout(900)
def test_the_e820_table_under_kvm_is_the_map_that_the_kernel_prints(boot: RealBoot) -> None:
    printed = bios_e820.ranges(boot.console)
    table = boot.captures["e820"].e820_table

    assert table is not None
    assert len(printed) >= 4
    assert printed == list(decode_entries(table.entries))


def test_values_under_kvm_are_what_gdb_says(boot: RealBoot) -> None:
    prepare, bootparams = boot.captures["prepare"], boot.captures["bootparams"]

    assert prepare.memory_map is not None
    assert boot.gdb["prepare"]["pvh_start_info"] == fields(prepare.pvh_start_info)
    assert boot.gdb["prepare"]["memory_map"] == fields(prepare.memory_map.entries)
    at_bootparams, at_kernel = boot.gdb["bootparams"]["pvh_bootparams"], boot.gdb["kernel"]["boot_params"]
    assert at_bootparams == values_as_in(at_bootparams, fields(bootparams.boot_params))
    assert at_kernel == values_as_in(at_kernel, fields(boot.captures["kernel"].kernel_boot_params))


def test_page_walks_under_kvm_agree_with_qemus(boot: RealBoot) -> None:
    assert boot.qemu_walks == boot.our_walks
