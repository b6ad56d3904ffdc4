"""PVH601 to PVH603: a VMM and a kernel that speak different protocols."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi.start_info import MAGIC
from pvhdbg.boot.stop import stages
from pvhdbg.boot.stop.capture import has_e820_module
from pvhdbg.boot.stop.protocols import MEMMAP
from pvhdbg.checks.finding import ERROR, WARNING
from pvhdbg.checks.rules import FIRST, Found, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pvhdbg.checks.case import Case


@rule("PVH601", ERROR, cause=True)
def the_kernel_ignores_this_kind_of_map(case: Case) -> Iterator[Found]:
    """The kernel holds the string "e820 data" and knows no memmap table: it follows the RFC of 2017, where the map is
    the second module. What today's VMMs hand over it never looks at. It goes on without a map, finds 0-0x9f000 to be
    all its memory, and panics when it sets up its page tables.

    Build a kernel from 5.0 on with CONFIG_PVH=y. `--protocol e820-module` hands the same map over the RFC's way.

    Source: the RFC of 2017, arch/x86/xen/enlighten_pvh.c.
    """
    given, rules = case.given, case.rules
    if given is None or given.memory_map is None or given.effective_start_info is None or rules.xen:
        return
    if (
        rules.memmap is not False
        or not rules.e820_module
        or given.effective_start_info.magic != MAGIC
        or has_e820_module(given.modules or ())
    ):
        return
    known = 'this kernel is of the RFC of 2017, whose map is module 1, named "e820 data"'
    count = given.effective_start_info.nr_modules
    instead = f"nr_modules is {count}" if count < 2 else "it has another name"
    cure = "take a kernel from 5.0 on, or hand the map over so"
    if given.memory_map.protocol == MEMMAP:
        lost = f"the memory map is ignored (memmap_entries is {given.memory_map.nr_entries})"
        cure = f"{cure} (--protocol e820-module)"
    else:
        lost = "there is no memory map"
    yield Found(*_place(case, f"{lost}: {known} ({instead}); {cure}"))


def _place(case: Case, message: str) -> tuple[str, str, int | None]:
    """Where the loss is to be seen at this stop."""
    seen = case.seen
    if case.info:
        name = "memmap_entries" if case.info.version else "version"
        return case.path(name), message, case.place(name)
    if seen.e820_table:
        return "e820_table", message, seen.e820_table.paddr
    key = "kernel_boot_params" if seen.kernel_boot_params else stages.BOOT_PARAMS
    return f"{key}.e820_entries", message, None


@rule("PVH602", WARNING, ERROR, cause=True)
def only_a_kernel_of_the_rfc_knows_this_kind_of_map(case: Case) -> Iterator[Found]:
    """The map is the second module, named "e820 data", and start_info has none: the RFC of 2017, which no released
    kernel implements. Linux from 5.0 on sees a structure without a map, and without Xen ends in a BUG.

    Hand over version 1 with a memmap table; `--protocol memmap` does that with the same map.

    Source: the RFC of 2017; Linux arch/x86/platform/pvh/enlighten.c.
    """
    found = case.seen.memory_map
    if found is None or not found.is_module or case.rules.e820_module or case.info is None:
        return
    message = f'the map is module 1, "e820 data", and start_info has none (version {case.info.version})'
    if case.predicted("start_info.version", "start_info.memmap_entries"):
        message += ": this kernel ends in a BUG, it wants version 1 with memmap_paddr and memmap_entries"
        yield Found("modules[1].cmdline", message, found.paddr, ERROR)
    else:
        yield Found("modules[1].cmdline", message, found.paddr)


@rule("PVH603", WARNING, when=FIRST)
def freebsd_wants_xen(case: Case) -> Iterator[Found]:
    """Older FreeBSD kernels have a PVH entry for Xen alone: elsewhere they use Xen's clock before they look whether
    there is a Xen, and die in early_delay.

    Take a FreeBSD that knows PVH without Xen.

    Source: FreeBSD sys/x86/xen/pv.c.
    """
    if case.guest_os == "FreeBSD" and case.rules.xen is False:
        yield Found("kernel.notes", "GUEST_OS is FreeBSD, and this machine shows no Xen")
