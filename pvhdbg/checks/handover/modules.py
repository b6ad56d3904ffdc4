"""PVH301 to PVH312: the module list, whose first module is the ramdisk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi.e820 import E820_DATA, blob_size
from pvhdbg.abi.text import printable
from pvhdbg.boot.record.document import ram_size
from pvhdbg.boot.stop import ranges
from pvhdbg.boot.stop.capture import has_e820_module
from pvhdbg.checks.finding import ERROR, INFO, WARNING
from pvhdbg.checks.rules import Defect, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pvhdbg.boot.stop.capture import Module
    from pvhdbg.checks.case import Case

_FOUR_GIB = 1 << 32
_TWO_TO_64 = 1 << 64
_ONE_MIB = 1 << 20
_BELOW_EVERY_HOLE = 2 << 30
"""Up to here the memory of QEMU's machines is in one piece, if they have that much."""
_FREEBSD = "FreeBSD"
_NAME_SHOWN = 40


@rule("PVH301", WARNING, ERROR)
def module_list_cannot_be_read(case: Case) -> Iterator[Defect]:
    """There must be nr_modules entries of 32 bytes at modlist_paddr. If there are not, the kernel uses whatever it
    reads there as its ramdisk.

    Check both fields. If nr_modules is in the thousands, it was probably never set.

    Source: Xen start_info.h.
    """
    info, why = case.valid_start_info, case.capture.missing.get("modules")
    if info is None or why is None or not info.nr_modules:
        return
    how, severity = ("was not read completely", None) if case.modules else ("cannot be read", case.fatal_severity)
    message = (
        f"the module list at {info.modlist_paddr:#x} (nr_modules {info.nr_modules}) {how} ({why}): the kernel uses "
        "whatever is there as its ramdisk. Check modlist_paddr and nr_modules."
    )
    yield Defect(case.path_of("modlist_paddr"), message, case.address_of("modlist_paddr"), severity)


@rule("PVH302", WARNING, ERROR)
def modlist_paddr_is_set_without_modules(case: Case) -> Iterator[Defect]:
    """An address in modlist_paddr with nr_modules 0 is legal, but FreeBSD dies of it.

    Set modlist_paddr to 0 if there are no modules.

    Source: FreeBSD sys/x86/xen/pv.c.
    """
    info = case.valid_start_info
    if info and info.modlist_paddr and not info.nr_modules:
        severity = ERROR if case.guest_os == _FREEBSD else None
        message = (
            f"modlist_paddr is {info.modlist_paddr:#x}, but nr_modules is 0: FreeBSD dies of this. Set modlist_paddr "
            "to 0."
        )
        yield Defect(case.path_of("modlist_paddr"), message, case.address_of("modlist_paddr"), severity)


@rule("PVH303", ERROR)
def initrd_was_not_handed_over(case: Case) -> Iterator[Defect]:
    """The machine was started with an initrd, but no module reaches the guest. The kernel boots without a ramdisk and
    later finds no root file system. A VMM that does not build a module list loses the initrd in this way.

    Hand the initrd over as module 0.

    Source: cloud-hypervisor issue 963.
    """
    info = case.valid_start_info
    if info and case.initrd and not info.nr_modules:
        message = (
            "nr_modules is 0, but the machine was given an initrd: the guest boots without it. Hand it over as "
            "module 0."
        )
        yield Defect(case.path_of("nr_modules"), message, case.address_of("nr_modules"))


@rule("PVH304", INFO, WARNING, ERROR)
def first_module_is_empty(case: Case) -> Iterator[Defect]:
    """Linux uses module 0 as its ramdisk and ignores it if its address or its size is 0. In the protocol of the RFC of
    2017, an empty module 0 is a placeholder in front of the memory map, which must be module 1.

    If there is a ramdisk, set the module's paddr and size.

    Source: Linux arch/x86/kernel/setup.c, early_reserve_initrd; the RFC of 2017.
    """
    for module in case.modules[:1]:
        entry = module.entry
        if entry.paddr and entry.size:
            continue
        name = "size" if entry.paddr else "paddr"
        if case.initrd or not has_e820_module(case.modules):
            severity = case.fatal_severity if case.initrd else None
            fix = " Set its paddr and size." if case.initrd else ""
            message = f"{name} of module 0 is 0: Linux ignores the module and boots without a ramdisk.{fix}"
            yield Defect(f"modules[0].{name}", message, _address(module, name), severity)


def _address(module: Module, name: str) -> int | None:
    """Return the physical address of a field of a module's entry in the list."""
    return module.entry.address_of(module.entry.field(name))


@rule("PVH305", WARNING, ERROR)
def ramdisk_does_not_fit_32_bits(case: Case) -> Iterator[Defect]:
    """boot_params has 32 bits each for the ramdisk's address and size, and xen_prepare_pvh does not set the fields for
    the upper halves. A larger value is cut, and the kernel looks for its ramdisk in the wrong place.

    Put the ramdisk below 4 GiB.

    Source: Linux arch/x86/platform/pvh/enlighten.c, init_pvh_bootparams.
    """
    for module in case.modules[:1]:
        for name, value in (("paddr", module.entry.paddr), ("size", module.entry.size)):
            if value >= _FOUR_GIB:
                message = (
                    f"{name} of module 0 is {value:#x}: Linux keeps only the low 32 bits, {value & 0xFFFFFFFF:#x}. "
                    "The ramdisk must be below 4 GiB."
                )
                yield Defect(f"modules[0].{name}", message, _address(module, name), case.fatal_severity)


@rule("PVH306", WARNING, ERROR, INFO)
def module_is_not_in_ram(case: Case) -> Iterator[Defect]:
    """If a module lies where the map lists no RAM, the guest cannot read it, or the owner of that memory overwrites it.
    Linux then prints "initrd not fully accessible" or finds no root file system. There may be memory at that address
    which the map lists as another type: then Linux finds its ramdisk and first copies it to RAM. QEMU loads the ramdisk
    of a microvm with SeaBIOS into memory that SeaBIOS keeps for itself.

    Put the module into RAM, at the end of the RAM below 4 GiB.

    Source: Linux arch/x86/kernel/setup.c, reserve_initrd and relocate_initrd; qboot pull request 28.
    """
    for index, module in enumerate(case.modules if case.ram else ()):
        start, end = module.span
        if not start or start >= end or ranges.holds(case.ram, start, end):
            continue
        how = "reaches beyond 2^64" if end > _TWO_TO_64 else "is not all in RAM"
        if not index and case.is_linux and _is_memory(case, start, end):
            then, severity = "Linux first copies it to RAM.", INFO
        else:
            then = "the guest cannot read it, or something else overwrites it. Put it into RAM."
            severity = WARNING if index else case.fatal_severity
        message = f"module {index}, {start:#x}-{end:#x}, {how}: {then}"
        yield Defect(f"modules[{index}].paddr", message, _address(module, "paddr"), severity)


def _is_memory(case: Case, start: int, end: int) -> bool:
    """Say whether the machine certainly has memory there, which the map lists as any type."""
    size = min(ram_size(case.memory) or 0, _BELOW_EVERY_HOLE)
    return start >= _ONE_MIB and end <= size and ranges.holds(case.listed_memory, start, end)


@rule("PVH307", INFO)
def module_has_nonzero_reserved_bytes(case: Case) -> Iterator[Defect]:
    """Reserved bytes must be 0, but no known guest reads them. qboot builds its module list on the stack and does not
    clear them.

    Clear each entry before filling it in.

    Source: Xen start_info.h; qboot main.c.
    """
    for index, module in enumerate(case.modules):
        if module.entry.reserved:
            message = f"reserved of module {index} is {module.entry.reserved:#x}, not 0: no known guest reads it."
            yield Defect(f"modules[{index}].reserved", message, _address(module, "reserved"))


@rule("PVH308", WARNING)
def module_command_line_cannot_be_read(case: Case) -> Iterator[Defect]:
    """A module's cmdline_paddr is 0 or the address of an ASCII string that ends with a NUL. Linux does not read the
    string. Other guests do: the kernel of the RFC of 2017 compares the string of module 1 with "e820 data", FreeBSD
    compares that of module 0 with "header", and Xen's hvmloader finds modules by it.

    Set cmdline_paddr to 0 if the module has no command line.

    Source: Xen start_info.h; FreeBSD sys/x86/xen/pv.c.
    """
    for index, module in enumerate(case.modules):
        why = case.capture.missing.get(f"modules[{index}].cmdline")
        if module.entry.cmdline_paddr and why:
            message = (
                f"cmdline_paddr of module {index} is {module.entry.cmdline_paddr:#x}, not a readable string ({why}): "
                "guests other than Linux may read it. Set it to 0 if there is none."
            )
            yield Defect(f"modules[{index}].cmdline_paddr", message, _address(module, "cmdline_paddr"))


@rule("PVH309", INFO)
def linux_ignores_some_modules(case: Case) -> Iterator[Defect]:
    """Linux uses only the first module. It does not reserve the memory of the others, and will use it for something
    else. Only the protocol of the RFC of 2017 has a second module, named "e820 data".

    Concatenate several initrds into one file: Linux unpacks them one after the other.

    Source: Linux arch/x86/platform/pvh/enlighten.c.
    """
    modules, memory_map = case.modules, case.capture.memory_map
    is_module_used = case.kernel_behavior.e820_module or (memory_map is not None and memory_map.is_module)
    used = 2 if has_e820_module(modules) and is_module_used else 1
    if case.is_linux and len(modules) > used:
        message = (
            f"nr_modules is {len(modules)}, but Linux uses only {used}: it reuses the memory of the others. "
            "Concatenate several initrds into one file."
        )
        yield Defect(case.path_of("nr_modules"), message, case.address_of("nr_modules"))


@rule("PVH310", WARNING, ERROR)
def e820_module_is_misnamed_or_misplaced(case: Case) -> Iterator[Defect]:
    """The kernel of the RFC of 2017 takes its memory map from module 1 if that module's command line is "e820 data":
    these nine bytes and a NUL, without extra spaces or capital letters. Otherwise it goes on without a memory map.

    Make the map the second module, and name it exactly so. If there is no ramdisk, put an empty module before it.

    Source: the RFC of 2017, arch/x86/xen/enlighten_pvh.c.
    """
    severity = case.fatal_severity if case.kernel_behavior.e820_module else None
    for index, module in enumerate(case.modules):
        name = module.cmdline.raw if module.cmdline else b""
        is_exact = name == E820_DATA
        if index != 1 and is_exact:
            message = (
                f'module {index} is named "e820 data", but must be module 1: a kernel of the RFC of 2017 looks for '
                "its memory map only there. Make it the second module."
            )
        elif not is_exact and name.strip().lower().replace(b"_", b" ").startswith(b"e820"):
            shown = printable(name[:_NAME_SHOWN])
            message = (
                f'cmdline of module {index} is "{shown}", not exactly "e820 data": a kernel of the RFC of 2017 finds '
                'no memory map. Name the module "e820 data".'
            )
        else:
            continue
        yield Defect(f"modules[{index}].cmdline", message, module.cmdline.paddr if module.cmdline else None, severity)


@rule("PVH311", WARNING)
def e820_module_is_smaller_than_its_map(case: Case) -> Iterator[Defect]:
    """A map of n entries takes 4 + 20 * n bytes. The kernel of the RFC of 2017 ignores the module's size, so it reads
    entries past the end of the module, from memory that is not part of the map.

    Set the module's size to 4 + 20 * n, or correct the map's nr_entries.

    Source: the RFC of 2017; Linux arch/x86/include/asm/e820/types.h, struct e820_table.
    """
    memory_map, modules = case.capture.memory_map, case.modules
    if memory_map is None or not memory_map.is_module or len(modules) < 2:
        return
    size, count = modules[1].entry.size, memory_map.nr_entries
    needed = blob_size(count)
    if size < needed:
        message = (
            f"size of module 1 is {size}, but {count} entries take {needed} bytes: the kernel reads past the end of "
            "the module. Correct size or nr_entries."
        )
        yield Defect("modules[1].size", message, _address(modules[1], "size"))


@rule("PVH312", WARNING)
def freebsd_reads_a_module_name_at_address_0(case: Case) -> Iterator[Defect]:
    """FreeBSD compares the command line of module 0 with "header", even if the module has none. QEMU hands over an
    initrd with cmdline_paddr 0, so FreeBSD reads through a null pointer.

    Start FreeBSD without an initrd.

    Source: FreeBSD sys/x86/xen/pv.c.
    """
    for module in case.modules[:1]:
        if case.guest_os == _FREEBSD and not module.entry.cmdline_paddr:
            message = (
                "cmdline_paddr of module 0 is 0: FreeBSD reads the module's name there, through a null pointer. "
                "Start FreeBSD without an initrd."
            )
            yield Defect("modules[0].cmdline_paddr", message, _address(module, "cmdline_paddr"))
