"""Linux under each profile: the map in the kernel's own log is the VMM's, and version 0 without a map kills it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pvhdbg.vmm_profiles import table
from pvhdbg.vmm_profiles.profile import Boot
from tests import bios_e820, kernels
from tests.cli.shell import pvhdbg

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from tests.bios_e820 import Range

RAM = 512 << 20
ISA_RANGE = (0xA0000, 0x60000, 2)
"""What init_pvh_bootparams adds."""
KERNELS: dict[str, Callable[[], Path]] = {
    "6.1": lambda: kernels.vmlinux("6.1"),
    "6.12": lambda: kernels.vmlinux("6.12"),
    "32-bit": lambda: kernels.vmlinux("6.1-686"),
    "rfc": kernels.rfc_vmlinux,
}
WITH_MAP = [name for name in table.NAMES if name not in (table.QEMU, *table.WITHOUT_MAP)]
BOOTS = [
    *(("6.1", name) for name in WITH_MAP),
    *(("6.12", name) for name in ("firecracker", "libkrun", "xen-domu")),
    *(("32-bit", name) for name in ("cloud-hypervisor", "alioth")),
    ("rfc", "rfc2017"),
]


@pytest.mark.parametrize(("kernel", "name"), BOOTS)
def test_the_map_in_the_kernels_log_is_the_vmms(kernel: str, name: str) -> None:
    run = pvhdbg("dump", kernel_file(kernel), "--vmm", name, "--stage", "e820", "-c", "dmesg")
    assert run.status == 0, run.err
    logged = bios_e820.ranges(run.out.encode())
    profile = table.profile(name)
    assert profile.layout is not None
    entries = profile.layout.memory_map(Boot(RAM, 33, None))
    passed = [*((entry.addr, entry.size, entry.type) for entry in entries), ISA_RANGE]
    edges = {edge for start, size, _ in (*passed, *logged) for edge in (start, start + size)}

    assert len(logged) >= 3
    assert {edge: type_at(passed, edge) for edge in edges} == {edge: type_at(logged, edge) for edge in edges}


def type_at(ranges: Iterable[Range], address: int) -> int:
    """Return the type of a byte: Linux prefers the larger number where ranges overlap."""
    return max((kind for start, size, kind in ranges if start <= address < start + size), default=0)


@pytest.mark.parametrize(("name", "rsdp"), [("firecracker", "0x00000000000E0000"), ("xen-domu", "0x00000000000FFFC0")])
def test_linux_finds_the_acpi_tables_where_the_vmm_puts_them(name: str, rsdp: str) -> None:
    run = pvhdbg("dump", kernel_file("6.1"), "--vmm", name, "--watch", "60", "-a", "panic=-1", "-c", "dmesg")
    tables = [line for line in run.out.splitlines() if "ACPI: " in line]

    assert any(f"ACPI: RSDP {rsdp} " in line for line in tables)
    assert {"XSDT", "FACP", "DSDT", "APIC"} <= {word for line in tables for word in line.split()}


@pytest.mark.parametrize(
    ("kernel", "name"), [("6.1", "rfc2017"), ("6.1", "xen-dom0"), ("32-bit", "rfc2017"), ("6.12", "xen-dom0")]
)
def test_a_handover_without_a_map_kills_todays_kernel(kernel: str, name: str) -> None:
    run = pvhdbg("check", kernel_file(kernel), "--vmm", name, "--format", "json")
    findings = [item for stop in run.document["stops"] for item in stop["findings"]]
    errors = [item["code"] for item in findings if item["severity"] == "error"]

    assert run.status == 1
    assert ("prepare", "died") == (run.document["outcome"]["reached"], run.document["outcome"]["ended"])
    assert errors[0] == {"rfc2017": "PVH602", "xen-dom0": "PVH102"}[name]


def test_the_rfc_kernel_ignores_the_table_of_version_1() -> None:
    run = pvhdbg("dump", kernel_file("rfc"), "--vmm", "firecracker", "--stage", "bootparams", "--format", "json")
    passed = run.document["stops"][-1]["boot_params"]["e820_table"]

    assert run.status == 0, run.err
    assert [ISA_RANGE] == [(entry["addr"], entry["size"], entry["type"]) for entry in passed]


def kernel_file(name: str) -> Path:
    try:
        return KERNELS[name]()
    except kernels.MissingError as error:
        pytest.skip(str(error))
