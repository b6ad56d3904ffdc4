"""PVH301 to PVH312: the module list, whose first module is the ramdisk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi.e820 import E820_DATA, blob_size
from pvhdbg.abi.start_info import MAGIC
from pvhdbg.abi.text import printable
from pvhdbg.boot.record.document import ram_size
from pvhdbg.boot.stop import ranges
from pvhdbg.boot.stop.capture import has_e820_module
from pvhdbg.checks.finding import ERROR, INFO, WARNING
from pvhdbg.checks.rules import Found, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pvhdbg.boot.stop.capture import Module
    from pvhdbg.checks.case import Case

_FOUR_GIB = 1 << 32
_TOP = 1 << 64
_ONE_MIB = 1 << 20
_BELOW_EVERY_HOLE = 2 << 30
"""QEMU's machines have their memory in one piece as far as this, if they have that much."""
_FREEBSD = "FreeBSD"
_NAME_SHOWN = 40


@rule("PVH301", WARNING, ERROR)
def the_module_list_cannot_be_read(case: Case) -> Iterator[Found]:
    """nr_modules says how many entries of 32 bytes lie at modlist_paddr. Where they do not, the kernel takes what it
    finds for its ramdisk.

    Look at both fields; a count in the thousands is a field that was never set.

    Source: Xen start_info.h.
    """
    info, why = case.info, case.seen.missing.get("modules")
    if info is None or info.magic != MAGIC or why is None or not info.nr_modules:
        return
    message = f"modlist_paddr {info.modlist_paddr:#x}, nr_modules {info.nr_modules}: {why}"
    severity = None if case.modules else case.fatal
    yield Found(case.path("modlist_paddr"), message, case.place("modlist_paddr"), severity)


@rule("PVH302", WARNING, ERROR)
def there_is_a_module_list_without_modules(case: Case) -> Iterator[Found]:
    """An address in modlist_paddr with nr_modules 0 is legal, and FreeBSD dies of it all the same.

    Leave modlist_paddr 0 where there are no modules.

    Source: FreeBSD sys/x86/xen/pv.c.
    """
    info = case.info
    if info and info.magic == MAGIC and info.modlist_paddr and not info.nr_modules:
        severity = ERROR if case.guest_os == _FREEBSD else None
        message = f"modlist_paddr is {info.modlist_paddr:#x}, but nr_modules is 0"
        yield Found(case.path("modlist_paddr"), message, case.place("modlist_paddr"), severity)


@rule("PVH303", ERROR)
def the_initrd_was_not_handed_over(case: Case) -> Iterator[Found]:
    """An initrd was given to the machine, and no module reaches the guest: the kernel boots without it, and later finds
    no root file system.

    A VMM that knows no module list loses it so; make the initrd module 0.

    Source: cloud-hypervisor issue 963.
    """
    info = case.info
    if info and info.magic == MAGIC and case.initrd and not info.nr_modules:
        message = "nr_modules is 0, but the machine was given an initrd"
        yield Found(case.path("nr_modules"), message, case.place("nr_modules"))


@rule("PVH304", INFO, WARNING, ERROR)
def the_first_module_is_empty(case: Case) -> Iterator[Found]:
    """Linux takes module 0 for its ramdisk, and ignores one whose address or size is 0. In the RFC's protocol such a
    module is the dummy before the memory map.

    Source: Linux arch/x86/kernel/setup.c, early_reserve_initrd; the RFC of 2017.
    """
    for module in case.modules[:1]:
        entry = module.entry
        if entry.paddr and entry.size:
            continue
        name = "size" if entry.paddr else "paddr"
        if case.initrd or not has_e820_module(case.modules):
            severity = case.fatal if case.initrd else None
            message = f"{name} of module 0 is 0: Linux takes it for no ramdisk"
            yield Found(f"modules[0].{name}", message, _place(module, name), severity)


def _place(module: Module, name: str) -> int | None:
    return module.entry.address_of(module.entry.field(name))


@rule("PVH305", WARNING, ERROR)
def the_ramdisk_does_not_fit_32_bits(case: Case) -> Iterator[Found]:
    """boot_params has 32 bits each for the ramdisk's address and size, and xen_prepare_pvh sets no upper halves: what
    does not fit is cut, and the kernel looks for its ramdisk somewhere else.

    Put the ramdisk below 4 GiB.

    Source: Linux arch/x86/platform/pvh/enlighten.c, init_pvh_bootparams.
    """
    for module in case.modules[:1]:
        for name, value in (("paddr", module.entry.paddr), ("size", module.entry.size)):
            if value >= _FOUR_GIB:
                message = f"{name} of module 0 is {value:#x}: Linux keeps {value & 0xFFFFFFFF:#x} of it"
                yield Found(f"modules[0].{name}", message, _place(module, name), case.fatal)


@rule("PVH306", WARNING, ERROR, INFO)
def a_module_is_not_in_ram(case: Case) -> Iterator[Found]:
    """A module that lies where the map lists no RAM can't be read, or is overwritten by whatever owns that memory;
    Linux says "initrd not fully accessible" or finds no root file system. Where there is memory all the same, which the
    map lists as something else, Linux finds its ramdisk and copies it to RAM first: QEMU puts it into what SeaBIOS
    keeps for itself on a microvm.

    Put it into RAM, at the end of what lies below 4 GiB.

    Source: Linux arch/x86/kernel/setup.c, reserve_initrd and relocate_initrd; qboot pull request 28.
    """
    for index, module in enumerate(case.modules if case.ram else ()):
        start, end = module.span
        if start and start < end and not ranges.holds(case.ram, start, end):
            is_copied = not index and case.is_linux and _is_memory(case, start, end)
            how = "reaches beyond 2^64" if end > _TOP else "is not all in RAM"
            message = f"module {index}, {start:#x}-{end:#x}, {how}{': Linux copies it there' if is_copied else ''}"
            severity = INFO if is_copied else None if index else case.fatal
            yield Found(f"modules[{index}].paddr", message, _place(module, "paddr"), severity)


def _is_memory(case: Case, start: int, end: int) -> bool:
    """Whether that is surely memory of the machine, and listed as something."""
    has = min(ram_size(case.memory) or 0, _BELOW_EVERY_HOLE)
    listed = ranges.union((each.addr, each.end) for each in case.entries)
    return start >= _ONE_MIB and end <= has and ranges.holds(listed, start, end)


@rule("PVH307", INFO)
def reserved_of_a_module_is_not_0(case: Case) -> Iterator[Found]:
    """Reserved bytes must be 0; nobody reads them. qboot builds its list on the stack and leaves there what was there.

    Source: Xen start_info.h; qboot main.c.
    """
    for index, module in enumerate(case.modules):
        if module.entry.reserved:
            message = f"reserved of module {index} is {module.entry.reserved:#x}, not 0"
            yield Found(f"modules[{index}].reserved", message, _place(module, "reserved"))


@rule("PVH308", WARNING)
def the_command_line_of_a_module_is_no_string(case: Case) -> Iterator[Found]:
    """cmdline_paddr of a module is 0 or leads to ASCII that ends in a NUL. Linux looks at none of them; the RFC's
    kernel compares module 1's, FreeBSD module 0's, hvmloader looks modules up by them.

    Source: Xen start_info.h; FreeBSD sys/x86/xen/pv.c.
    """
    for index, module in enumerate(case.modules):
        why = case.seen.missing.get(f"modules[{index}].cmdline")
        if module.entry.cmdline_paddr and why:
            message = f"cmdline_paddr of module {index} is {module.entry.cmdline_paddr:#x}: {why}"
            yield Found(f"modules[{index}].cmdline_paddr", message, _place(module, "cmdline_paddr"))


@rule("PVH309", INFO)
def linux_looks_at_the_first_module_alone(case: Case) -> Iterator[Found]:
    """Every module but the first is left alone by Linux, and its memory is not reserved: it will be used for something
    else. Only the RFC's protocol knows a second one, named "e820 data".

    Join several initrds to one file; Linux unpacks them in turn.

    Source: Linux arch/x86/platform/pvh/enlighten.c.
    """
    modules, found = case.modules, case.seen.memory_map
    is_map = has_e820_module(modules) and (case.rules.e820_module or (found is not None and found.is_module))
    used = 2 if is_map else 1
    if case.is_linux and len(modules) > used:
        message = f"nr_modules is {len(modules)}: Linux uses {used} of them"
        yield Found(case.path("nr_modules"), message, case.place("nr_modules"))


@rule("PVH310", WARNING, ERROR)
def a_module_is_almost_the_memory_map(case: Case) -> Iterator[Found]:
    """The RFC's kernel takes the memory map from module 1 if its command line is "e820 data", these nine bytes and a
    NUL: no blank before or after, no capital, no other place in the list. Otherwise it goes on without a map.

    Make the map the second module (an empty module before it, if there is no ramdisk), and name it exactly so.

    Source: the RFC of 2017, arch/x86/xen/enlighten_pvh.c.
    """
    severity = case.fatal if case.rules.e820_module else None
    for index, module in enumerate(case.modules):
        name = module.cmdline.raw if module.cmdline else b""
        is_exact = name == E820_DATA
        if index != 1 and is_exact:
            message = f'module {index} is named "e820 data", but only module 1 is looked at'
        elif not is_exact and name.strip().lower().replace(b"_", b" ").startswith(b"e820"):
            shown = printable(name[:_NAME_SHOWN])
            message = f'cmdline of module {index} is "{shown}", not "e820 data" to the letter'
        else:
            continue
        yield Found(f"modules[{index}].cmdline", message, module.cmdline.paddr if module.cmdline else None, severity)


@rule("PVH311", WARNING)
def the_e820_module_is_smaller_than_its_map(case: Case) -> Iterator[Found]:
    """A map of n entries takes 4 + 20 * n bytes. The RFC's kernel never looks at the module's size, and reads entries
    behind its end: memory that was not meant as a map.

    Source: the RFC of 2017; Linux arch/x86/include/asm/e820/types.h, struct e820_table.
    """
    found, modules = case.seen.memory_map, case.modules
    if found is None or not found.is_module or len(modules) < 2:
        return
    size, needed = modules[1].entry.size, blob_size(found.nr_entries)
    if size < needed:
        message = f"size of module 1 is {size}, its nr_entries {found.nr_entries} take {needed}"
        yield Found("modules[1].size", message, _place(modules[1], "size"))


@rule("PVH312", WARNING)
def freebsd_compares_a_name_that_is_not_there(case: Case) -> Iterator[Found]:
    """FreeBSD compares module 0's command line with "header" whether or not it has one: with cmdline_paddr 0, as QEMU
    hands over an initrd, it reads through a null pointer.

    Start FreeBSD without an initrd.

    Source: FreeBSD sys/x86/xen/pv.c.
    """
    for module in case.modules[:1]:
        if case.guest_os == _FREEBSD and not module.entry.cmdline_paddr:
            message = "cmdline_paddr of module 0 is 0, and FreeBSD reads there"
            yield Found("modules[0].cmdline_paddr", message, _place(module, "cmdline_paddr"))
