"""PVH601 to PVH603: a VMM and a kernel that use different protocols."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi.boot_params import BootParams
from pvhdbg.abi.start_info import MAGIC
from pvhdbg.boot.stop import stages
from pvhdbg.boot.stop.capture import has_e820_module
from pvhdbg.boot.stop.protocols import MEMMAP
from pvhdbg.checks.finding import ERROR, WARNING
from pvhdbg.checks.rules import ONCE, Defect, rule
from pvhdbg.guest_profiles.bsd import FREEBSD

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pvhdbg.boot.stop.capture import MemoryMap
    from pvhdbg.checks.case import Case


@rule("PVH601", ERROR, cause=True, only_linux=True)
def kernel_supports_only_the_2017_rfc_memory_map(case: Case) -> Iterator[Defect]:
    """The kernel contains the string "e820 data" and never reads the memmap table, which current VMMs pass: it was
    built with the 2017 RFC patches and expects the memory map in module 1. It continues without a map, assumes that
    0-0x9f000 is all its memory, and panics when it sets up its page tables.

    Use Linux 5.0 or later, built with CONFIG_PVH=y. To boot this kernel anyway, use `--protocol e820-module`, which
    passes the same map as module 1.

    Source: the 2017 RFC patches, arch/x86/xen/enlighten_pvh.c.
    """
    handover, behavior = case.boot_data_stop, case.kernel_behavior
    if handover is None or handover.memory_map is None or handover.effective_start_info is None or behavior.xen:
        return
    if (
        behavior.memmap is not False
        or not behavior.e820_module
        or handover.effective_start_info.magic != MAGIC
        or has_e820_module(handover.modules or ())
    ):
        return
    yield _lost_map(case, handover.memory_map, handover.effective_start_info.nr_modules)


def _lost_map(case: Case, memory_map: MemoryMap, nr_modules: int) -> Defect:
    instead = f"nr_modules is {nr_modules}" if nr_modules < 2 else "module 1 has another name"
    why = f'it was built with the 2017 RFC patches and expects the map in module 1, named "e820 data" ({instead})'
    if memory_map.protocol == MEMMAP:
        defect = f"this kernel ignores the memory map (memmap_entries is {memory_map.nr_entries})"
        fix = "Use Linux 5.0 or later, or --protocol e820-module"
    else:
        defect = "this kernel finds no memory map"
        fix = "Use Linux 5.0 or later, or pass the map as module 1"
    path, address = _visible_loss(case)
    return Defect(path, f"{defect}: {why}. {fix}.", address)


def _visible_loss(case: Case) -> tuple[str, int | None]:
    """Return the path and the address of the field that shows the loss at this stop."""
    capture = case.capture
    if case.start_info:
        name = "memmap_entries" if case.start_info.version else "version"
        return case.path_of(name), case.address_of(name)
    if capture.e820_table:
        return "e820_table", capture.e820_table.paddr
    key = stages.KERNEL_BOOT_PARAMS if capture.kernel_boot_params else stages.BOOT_PARAMS
    params = capture.kernel_boot_params or capture.boot_params
    return f"{key}.e820_entries", params.address_of(BootParams.e820_entries) if params else None


@rule("PVH602", WARNING, ERROR, cause=True)
def kernel_does_not_support_the_2017_rfc_memory_map(case: Case) -> Iterator[Defect]:
    """The memory map is in module 1, named "e820 data", and start_info has no memory map. This is the 2017 RFC
    protocol, which no released kernel implements. Linux 5.0 and later finds no map and hits a BUG, unless it runs on
    Xen.

    Pass a version 1 start_info with memmap_paddr and memmap_entries set. `--protocol memmap` passes the same map that
    way.

    Source: the 2017 RFC patches; Linux arch/x86/platform/pvh/enlighten.c.
    """
    memory_map, info = case.capture.memory_map, case.start_info
    name = case.modules[1].cmdline if len(case.modules) > 1 else None
    if memory_map is None or not memory_map.is_module or case.kernel_behavior.e820_module or info is None:
        return
    if case.death_blamed_on("start_info.version", "start_info.memmap_entries"):
        why, severity = "this kernel does not look there and hits a BUG", ERROR
    else:
        why, severity = "only a kernel built with the 2017 RFC patches looks there", None
    message = (
        f'start_info (version {info.version}) has no memory map: the map is in module 1 ("e820 data"), but {why}. '
        "Pass a version 1 start_info with memmap_paddr and memmap_entries set, or use --protocol memmap."
    )
    yield Defect("modules[1].cmdline", message, name.paddr if name else None, severity)


@rule("PVH603", WARNING, when=ONCE)
def freebsd_requires_xen(case: Case) -> Iterator[Defect]:
    """The PVH entry of older FreeBSD kernels works only on Xen. On other VMMs, these kernels use Xen's clock before
    they check for Xen, and crash in early_delay.

    Use a FreeBSD that supports PVH without Xen.

    Source: FreeBSD sys/x86/xen/pv.c.
    """
    if case.guest is FREEBSD and case.kernel_behavior.xen is False:
        message = (
            "GUEST_OS is FreeBSD, but this VMM is not Xen: older FreeBSD kernels crash in early_delay. Use a FreeBSD "
            "that supports PVH without Xen."
        )
        yield Defect("kernel.notes", message)
