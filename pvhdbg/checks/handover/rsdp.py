"""PVH330 to PVH332: ACPI's root pointer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi.start_info import MAGIC, RSDP_REVISION, RSDP_SIGNATURE, RSDP_SIZE, RSDP_SIZE_V1
from pvhdbg.checks.finding import INFO, WARNING
from pvhdbg.checks.rules import Found, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pvhdbg.checks.case import Case


def _paddr(case: Case) -> int:
    info = case.info
    return info.rsdp_paddr if info and info.magic == MAGIC else 0


@rule("PVH330", INFO)
def there_is_no_rsdp(case: Case) -> Iterator[Found]:
    """0 is right where there are no ACPI tables, as on a microvm with acpi=off. Firecracker has tables and leaves it 0;
    Linux then looks for the signature from 0xe0000 to 0xfffff itself. Xen as a guest ends in a BUG without it.

    Source: Xen start_info.h and xen/arch/x86/guest/xen/pvh-boot.c.
    """
    info = case.info
    if info and info.magic == MAGIC and info.rsdp_paddr == 0:
        yield Found(case.path("rsdp_paddr"), "rsdp_paddr is 0: no ACPI", case.place("rsdp_paddr"))


@rule("PVH331", WARNING)
def there_is_no_root_pointer_at_rsdp_paddr(case: Case) -> Iterator[Found]:
    """Linux believes rsdp_paddr and looks nowhere else: without "RSD PTR " there, it boots without ACPI, so without
    most interrupts and all other CPUs.

    Source: ACPI 6.5, 5.2.5; Linux arch/x86/platform/pvh/enlighten.c, pvh_get_root_pointer.
    """
    paddr = _paddr(case)
    if not paddr:
        return
    raw = case.seen.bytes_at(paddr, len(RSDP_SIGNATURE))
    if raw is None:
        why = case.seen.missing.get("rsdp", "it was not read")
        yield Found(case.path("rsdp_paddr"), f"rsdp_paddr is {paddr:#x}: {why}", paddr)
    elif raw != RSDP_SIGNATURE:
        message = f"rsdp_paddr is {paddr:#x}, and the bytes there are {raw.hex(' ')}, not the signature of an RSDP"
        yield Found(case.path("rsdp_paddr"), message, paddr)


@rule("PVH332", WARNING)
def the_checksum_of_the_root_pointer_is_wrong(case: Case) -> Iterator[Found]:
    """The first 20 bytes, and from revision 2 on all 36, add up to 0 modulo 256. Linux takes no other RSDP.

    Source: ACPI 6.5, 5.2.5.3.
    """
    paddr = _paddr(case)
    raw = case.seen.bytes_at(paddr, RSDP_SIZE) if paddr else None
    if raw is None or not raw.startswith(RSDP_SIGNATURE):
        return
    for size in (RSDP_SIZE_V1, RSDP_SIZE)[: 2 if raw[RSDP_REVISION] >= 2 else 1]:
        if sum(raw[:size]) & 0xFF:
            message = f"rsdp_paddr is {paddr:#x}: the first {size} bytes there add up to {sum(raw[:size]) & 0xFF:#x}"
            yield Found(case.path("rsdp_paddr"), f"{message}, not 0", paddr)
