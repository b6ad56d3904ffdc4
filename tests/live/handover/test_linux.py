"""Linux under each profile: the map in the kernel's own log is the VMM's, and version 0 without a map kills it."""

from __future__ import annotations

import pytest

from pvhdbg.vmm_profiles import table
from tests import kernels
from tests.cli.shell import pvhdbg
from tests.live.handover import campaign

WITH_MAP = [name for name in table.NAMES if name not in (table.QEMU, *table.WITHOUT_MAP)]
BOOTS = [
    *(("6.1", name) for name in WITH_MAP),
    *(("6.12", name) for name in ("firecracker", "xen-domu")),
    *(("32-bit", name) for name in ("cloud-hypervisor", "alioth", "rfc2017")),
    *(("6.12", name) for name in ("rfc2017", "xen-dom0")),
    *((campaign.RFC, name) for name in ("firecracker", "rfc2017")),
    *((campaign.TEACHING, name) for name in ("libkrun", "rfc2017", "xen-dom0")),
]
"""Some boots of the campaign. `python -m tests.live.handover.campaign` boots all."""


@pytest.mark.parametrize(("kernel", "name"), BOOTS)
def test_a_kernel_takes_the_vmms_map_or_fails_as_foreseen(kernel: str, name: str) -> None:
    try:
        assert campaign.deviation(kernel, name) is None
    except kernels.MissingError as error:
        pytest.skip(str(error))


def test_the_campaign_foresees_each_kind_of_end() -> None:
    kinds = {campaign.foreseen(kernel, name) for kernel, name in BOOTS}

    assert {campaign.MAP, campaign.DIES, campaign.IGNORES} == kinds


@pytest.mark.parametrize(("name", "rsdp"), [("firecracker", "0x00000000000E0000"), ("xen-domu", "0x00000000000FFFC0")])
def test_linux_finds_the_acpi_tables_where_the_vmm_puts_them(name: str, rsdp: str) -> None:
    try:
        kernel = kernels.vmlinux("6.1")
    except kernels.MissingError as error:
        pytest.skip(str(error))
    run = pvhdbg("dump", kernel, "--vmm", name, "--watch", "10", "-a", "panic=-1", "-c", "dmesg")
    tables = [line for line in run.out.splitlines() if "ACPI: " in line]

    assert any(f"ACPI: RSDP {rsdp} " in line for line in tables)
    assert {"XSDT", "FACP", "DSDT", "APIC"} <= {word for line in tables for word in line.split()}
