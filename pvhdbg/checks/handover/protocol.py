"""PVH601 to PVH603: a VMM and a kernel that use different protocols."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi.start_info import MAGIC
from pvhdbg.boot.stop import stages
from pvhdbg.boot.stop.capture import has_e820_module
from pvhdbg.boot.stop.protocols import MEMMAP
from pvhdbg.checks.finding import ERROR, WARNING
from pvhdbg.checks.rules import ONCE, Defect, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pvhdbg.boot.stop.capture import MemoryMap
    from pvhdbg.checks.case import Case


@rule("PVH601", ERROR, cause=True)
def kernel_supports_only_the_memory_map_of_the_rfc(case: Case) -> Iterator[Defect]:
    """The kernel contains the string "e820 data" and does not know the memmap table: it follows the RFC of 2017, whose
    memory map is the second module. It never reads the memmap table that today's VMMs hand over. It goes on without a
    map, assumes that 0-0x9f000 is all its memory, and panics when it sets up its page tables.

    Use a kernel from 5.0 on, built with CONFIG_PVH=y. To try this kernel, `--protocol e820-module` hands over the same
    map in the form of the RFC.

    Source: the RFC of 2017, arch/x86/xen/enlighten_pvh.c.
    """
    handover, behavior = case.handover, case.kernel_behavior
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
    instead = f"nr_modules is {nr_modules}" if nr_modules < 2 else "it has another name"
    why = f'it follows the RFC of 2017, whose map is module 1, named "e820 data" ({instead})'
    if memory_map.protocol == MEMMAP:
        defect = f"this kernel ignores the memory map (memmap_entries is {memory_map.nr_entries})"
        fix = "Use a kernel from 5.0 on, or --protocol e820-module"
    else:
        defect = "this kernel finds no memory map"
        fix = "Use a kernel from 5.0 on, or hand the map over in such a module"
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
    key = "kernel_boot_params" if capture.kernel_boot_params else stages.BOOT_PARAMS
    return f"{key}.e820_entries", None


@rule("PVH602", WARNING, ERROR, cause=True)
def kernel_does_not_support_the_memory_map_of_the_rfc(case: Case) -> Iterator[Defect]:
    """The memory map is the second module, named "e820 data", and start_info has none. That is the form of the RFC of
    2017, which no released kernel implements. Linux since 5.0 sees a structure without a map and, without Xen, hits a
    BUG.

    Hand over version 1 with a memmap table. `--protocol memmap` does that with the same map.

    Source: the RFC of 2017; Linux arch/x86/platform/pvh/enlighten.c.
    """
    memory_map, info = case.capture.memory_map, case.start_info
    if memory_map is None or not memory_map.is_module or case.kernel_behavior.e820_module or info is None:
        return
    if case.death_blamed_on("start_info.version", "start_info.memmap_entries"):
        why, severity = "this kernel hits a BUG without a map there", ERROR
    else:
        why, severity = "only a kernel of the RFC of 2017 finds a map in a module", None
    message = (
        f'the memory map is module 1 ("e820 data"), and start_info has none: it is version {info.version}, and {why}. '
        "Hand over version 1 with memmap_paddr and memmap_entries, or use --protocol memmap."
    )
    yield Defect("modules[1].cmdline", message, memory_map.paddr, severity)


@rule("PVH603", WARNING, when=ONCE)
def freebsd_requires_xen(case: Case) -> Iterator[Defect]:
    """The PVH entry of older FreeBSD kernels works only on Xen. Elsewhere they use Xen's clock before they check
    whether there is a Xen, and die in early_delay.

    Use a FreeBSD that supports PVH without Xen.

    Source: FreeBSD sys/x86/xen/pv.c.
    """
    if case.guest_os == "FreeBSD" and case.kernel_behavior.xen is False:
        message = (
            "GUEST_OS is FreeBSD, but this machine does not show Xen: older FreeBSD kernels die in early_delay. Use a "
            "FreeBSD that supports PVH without Xen."
        )
        yield Defect("kernel.notes", message)
