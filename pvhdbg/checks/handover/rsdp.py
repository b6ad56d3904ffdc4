"""PVH330 to PVH333: the RSDP, ACPI's root pointer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi import firmware_tables
from pvhdbg.abi.start_info import RSDP_REVISION, RSDP_SIGNATURE, RSDP_SIZE, RSDP_SIZE_V1
from pvhdbg.checks.finding import INFO, WARNING
from pvhdbg.checks.rules import Defect, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pvhdbg.checks.case import Case


def _rsdp_paddr(case: Case) -> int:
    """Return rsdp_paddr, or 0 if start_info's magic is wrong."""
    return case.valid_start_info.rsdp_paddr if case.valid_start_info else 0


@rule("PVH330", INFO)
def rsdp_paddr_is_0(case: Case) -> Iterator[Defect]:
    """0 is correct if there are no ACPI tables, as on a microvm with acpi=off. Firecracker has tables but leaves
    rsdp_paddr 0; Linux then searches 0xe0000-0xfffff for the RSDP. Xen hits a BUG if it runs as a PVH guest without
    this address.

    If the VMM has ACPI tables, set rsdp_paddr to the address of their RSDP.

    Source: Xen start_info.h and xen/arch/x86/guest/xen/pvh-boot.c.
    """
    info = case.valid_start_info
    if info and info.rsdp_paddr == 0 and not _rsdps_in_memory(case):
        message = "rsdp_paddr is 0: the VMM passes no ACPI tables."
        yield Defect(case.path_of("rsdp_paddr"), message, case.address_of("rsdp_paddr"))


@rule("PVH331", WARNING)
def rsdp_paddr_does_not_point_to_an_rsdp(case: Case) -> Iterator[Defect]:
    """Linux trusts rsdp_paddr and searches nowhere else. If the signature "RSD PTR " is not there, Linux boots without
    ACPI, and so without most interrupts and all other CPUs.

    Set rsdp_paddr to the address of the RSDP, or to 0 if there is no RSDP.

    Source: ACPI 6.5, 5.2.5; Linux arch/x86/platform/pvh/enlighten.c, pvh_get_root_pointer.
    """
    paddr = _rsdp_paddr(case)
    if not paddr:
        return
    raw = case.capture.bytes_at(paddr, len(RSDP_SIGNATURE))
    if raw == RSDP_SIGNATURE:
        return
    if raw is None:
        why = f" ({case.capture.missing.get('rsdp', 'it was not read')})"
    else:
        why = f': the bytes there are {raw.hex(" ")}, not "{RSDP_SIGNATURE.decode()}"'
    message = f"rsdp_paddr is {paddr:#x}, but there is no RSDP{why}. Linux boots without ACPI. Correct rsdp_paddr."
    yield Defect(case.path_of("rsdp_paddr"), message, paddr)


@rule("PVH332", WARNING)
def rsdp_checksum_is_wrong(case: Case) -> Iterator[Defect]:
    """The first 20 bytes of the RSDP must add up to 0 modulo 256; in revision 2 and later, so must all 36 bytes. Linux
    rejects an RSDP with a wrong checksum.

    Correct the checksum in the RSDP.

    Source: ACPI 6.5, 5.2.5.3.
    """
    paddr = _rsdp_paddr(case)
    raw = case.capture.bytes_at(paddr, RSDP_SIZE) if paddr else None
    if raw is None or not raw.startswith(RSDP_SIGNATURE):
        return
    for size in (RSDP_SIZE_V1, RSDP_SIZE)[: 2 if raw[RSDP_REVISION] >= 2 else 1]:
        checksum = sum(raw[:size]) & 0xFF
        if checksum:
            message = (
                f"the RSDP at {paddr:#x} has a wrong checksum: its first {size} bytes add up to {checksum:#x}, not 0. "
                "Linux boots without ACPI. Correct the checksum."
            )
            yield Defect(case.path_of("rsdp_paddr"), message, paddr)


def _rsdps_in_memory(case: Case) -> list[int]:
    """Return the addresses of the RSDPs that lie where guests search for them."""
    return [table.paddr for table in case.firmware_tables if table.name == firmware_tables.RSDP]


@rule("PVH333", WARNING)
def rsdp_exists_but_rsdp_paddr_is_0(case: Case) -> Iterator[Defect]:
    """The firmware left an RSDP in memory, but the VMM does not pass its address. Linux then searches 0xe0000-0xfffff
    itself, and finds an RSDP there. Guests that trust start_info do not search: they boot without ACPI, or give up.
    Xen hits a BUG if it runs as a PVH guest.

    Set rsdp_paddr to the address of the RSDP. A guest that also runs on other VMMs should search for it.

    Source: Xen start_info.h and xen/arch/x86/guest/xen/pvh-boot.c; DragonOS issues 1273 and 1487.
    """
    info = case.valid_start_info
    for paddr in _rsdps_in_memory(case)[:1] if info and info.rsdp_paddr == 0 else ():
        message = (
            f"rsdp_paddr is 0, but an RSDP lies at {paddr:#x}: a guest that does not search for it has no ACPI. Set "
            f"rsdp_paddr to {paddr:#x}."
        )
        yield Defect(case.path_of("rsdp_paddr"), message, case.address_of("rsdp_paddr"))
