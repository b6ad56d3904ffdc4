"""PVH301 to PVH314: the module list, whose first module is the ramdisk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi import ramdisk
from pvhdbg.abi.e820 import E820_DATA, blob_size
from pvhdbg.abi.text import printable
from pvhdbg.boot.record.document import ram_size
from pvhdbg.boot.stop import ranges
from pvhdbg.boot.stop.capture import has_e820_module
from pvhdbg.boot.stop.evidence import MODULE_HEAD
from pvhdbg.checks.case import BELOW_EVERY_HOLE, NO_MEMORY
from pvhdbg.checks.finding import ERROR, INFO, WARNING
from pvhdbg.checks.rules import Defect, rule
from pvhdbg.guest_profiles.bsd import FREEBSD

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pvhdbg.boot.stop.capture import Module
    from pvhdbg.checks.case import Case

_FOUR_GIB = 1 << 32
_TWO_TO_64 = 1 << 64
_ONE_MIB = 1 << 20
_NAME_SHOWN = 40


@rule("PVH301", WARNING, ERROR)
def module_list_cannot_be_read(case: Case) -> Iterator[Defect]:
    """There must be nr_modules entries of 32 bytes at modlist_paddr. Otherwise the kernel uses whatever it reads there
    as its module list.

    Check both fields. If nr_modules is in the thousands, it was probably never set.

    Source: Xen start_info.h.
    """
    why = NO_MEMORY if case.module_list_is_absent else case.capture.missing.get("modules")
    info = case.valid_start_info
    if info is None or why is None or not info.nr_modules:
        return
    how, severity = ("was not read completely", None) if case.modules else ("cannot be read", case.fatal_severity)
    message = (
        f"the module list at {info.modlist_paddr:#x} (nr_modules {info.nr_modules}) {how} ({why}): the kernel uses "
        "whatever it reads there. Check modlist_paddr and nr_modules."
    )
    yield Defect(case.path_of("modlist_paddr"), message, case.address_of("modlist_paddr"), severity)


@rule("PVH302", WARNING, ERROR)
def modlist_paddr_is_set_without_modules(case: Case) -> Iterator[Defect]:
    """An address in modlist_paddr with nr_modules 0 is legal, but FreeBSD crashes on it.

    Set modlist_paddr to 0 if there are no modules.

    Source: FreeBSD sys/x86/xen/pv.c.
    """
    info = case.valid_start_info
    if info and info.modlist_paddr and not info.nr_modules:
        severity = ERROR if case.guest is FREEBSD else None
        message = (
            f"modlist_paddr is {info.modlist_paddr:#x}, but nr_modules is 0: FreeBSD crashes on this. Set "
            "modlist_paddr to 0."
        )
        yield Defect(case.path_of("modlist_paddr"), message, case.address_of("modlist_paddr"), severity)


@rule("PVH303", ERROR)
def initrd_was_not_passed(case: Case) -> Iterator[Defect]:
    """QEMU was started with an initrd, but the guest gets no module. The kernel boots without a ramdisk and later finds
    no root file system. This happens if the VMM does not build a module list.

    Pass the initrd as module 0.

    Source: cloud-hypervisor issue 963.
    """
    info = case.valid_start_info
    if info and case.initrd and not info.nr_modules and case.machine.initrd_size != 0:
        message = (
            "nr_modules is 0, but QEMU was given an initrd: the guest boots without it. Pass the initrd as module 0."
        )
        yield Defect(case.path_of("nr_modules"), message, case.address_of("nr_modules"))


@rule("PVH304", INFO, WARNING, ERROR, only_linux=True)
def first_module_is_empty(case: Case) -> Iterator[Defect]:
    """Linux uses module 0 as its ramdisk and ignores it if its address or its size is 0. In the 2017 RFC protocol, an
    empty module 0 is a placeholder: the memory map must be module 1.

    If there is a ramdisk, set the module's paddr and size.

    Source: Linux arch/x86/kernel/setup.c, early_reserve_initrd; the 2017 RFC patches.
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


@rule("PVH305", WARNING, ERROR, only_linux=True)
def ramdisk_does_not_fit_32_bits(case: Case) -> Iterator[Defect]:
    """boot_params has 32 bits each for the ramdisk's address and size, and xen_prepare_pvh does not set the fields for
    the upper halves. A larger value is truncated, and the kernel looks for its ramdisk at the wrong address.

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
    """If a module is in memory that the map does not list as RAM, the guest cannot read it, or another user of that
    memory overwrites it. Linux copies its ramdisk to RAM first, so it loses the ramdisk only if the machine has no
    memory there: Linux then copies other bytes, without a message. For example, on a microvm with SeaBIOS, QEMU
    loads the ramdisk into memory that SeaBIOS reserves for itself.

    Put the module into RAM, at the end of the RAM below 4 GiB.

    Source: Linux arch/x86/kernel/setup.c, reserve_initrd and relocate_initrd; qboot pull request 28.
    """
    for index, module in enumerate(case.modules if case.ram else ()):
        start, end = module.span
        if not start or start >= end or ranges.holds(case.ram, start, end):
            continue
        how = "extends past 2^64" if end > _TWO_TO_64 else "is not all in RAM"
        then, severity = _ramdisk_consequence(case, start, end) if not index and case.is_linux else (None, WARNING)
        then = then or "the guest cannot read it, or something else overwrites it. Put it into RAM."
        message = f"module {index}, {start:#x}-{end:#x}, {how}: {then}"
        yield Defect(f"modules[{index}].paddr", message, _address(module, "paddr"), severity)


def _ramdisk_consequence(case: Case, start: int, end: int) -> tuple[str | None, str]:
    """Return what Linux does with a ramdisk that is not all in RAM, and the severity. None if that is not certain."""
    size = min(ram_size(case.memory) or 0, BELOW_EVERY_HOLE)
    if start >= _ONE_MIB and end <= size:
        return "Linux first copies it to RAM.", INFO
    if start >= _ONE_MIB and 0 < size < end <= BELOW_EVERY_HOLE:
        absent = max(start, size)
        return f"the machine has no memory at {absent:#x}, so Linux copies other bytes. Put the module into RAM.", ERROR
    return None, ERROR


@rule("PVH307", INFO)
def module_has_nonzero_reserved_bytes(case: Case) -> Iterator[Defect]:
    """Reserved bytes must be 0, but no known guest reads them. qboot builds its module list on the stack and does not
    clear them.

    Clear each entry before filling it in.

    Source: Xen start_info.h; qboot main.c.
    """
    for index, module in enumerate(case.modules):
        if module.entry.reserved:
            message = f"field reserved of module {index} is {module.entry.reserved:#x}, not 0. No known guest reads it."
            yield Defect(f"modules[{index}].reserved", message, _address(module, "reserved"))


@rule("PVH308", WARNING)
def module_command_line_cannot_be_read(case: Case) -> Iterator[Defect]:
    """A module's cmdline_paddr is 0 or the address of an ASCII string that ends with a NUL. Linux does not read the
    string, but other guests do: a kernel built with the 2017 RFC patches compares the string of module 1 with "e820
    data", FreeBSD compares the string of module 0 with "header", and Xen's hvmloader identifies modules by it.

    Set cmdline_paddr to 0 if the module has no command line.

    Source: Xen start_info.h; FreeBSD sys/x86/xen/pv.c.
    """
    for index, module in enumerate(case.modules):
        why = case.capture.missing.get(f"modules[{index}].cmdline")
        if module.entry.cmdline_paddr and why:
            message = (
                f"cmdline_paddr of module {index} is {module.entry.cmdline_paddr:#x}, not a readable string ({why}): "
                "guests other than Linux may read it. Set it to 0 if the module has no command line."
            )
            yield Defect(f"modules[{index}].cmdline_paddr", message, _address(module, "cmdline_paddr"))


@rule("PVH309", INFO)
def linux_ignores_some_modules(case: Case) -> Iterator[Defect]:
    """Linux uses only module 0. It does not reserve the memory of other modules, and will reuse it. Only the 2017 RFC
    protocol also uses module 1, which is named "e820 data".

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


@rule("PVH310", WARNING, ERROR, only_linux=True)
def e820_module_is_misnamed_or_misplaced(case: Case) -> Iterator[Defect]:
    """A kernel built with the 2017 RFC patches uses module 1 as its memory map if that module's command line is "e820
    data": these nine bytes and a NUL, without extra spaces or capital letters. Otherwise it continues without a memory
    map.

    Pass the map as module 1, with exactly this command line. If there is no ramdisk, pass an empty module 0.

    Source: the 2017 RFC patches, arch/x86/xen/enlighten_pvh.c.
    """
    severity = case.fatal_severity if case.kernel_behavior.e820_module else None
    for index, module in enumerate(case.modules):
        name = module.cmdline.raw if module.cmdline else b""
        is_exact = name == E820_DATA
        if index != 1 and is_exact:
            message = (
                f'module {index} is named "e820 data", but must be module 1: a kernel built with the 2017 RFC patches '
                "finds no memory map. Pass the map as module 1."
            )
        elif not is_exact and name.strip().lower().replace(b"_", b" ").startswith(b"e820"):
            shown = printable(name[:_NAME_SHOWN])
            message = (
                f'cmdline of module {index} is "{shown}", not exactly "e820 data": a kernel built with the 2017 RFC '
                'patches finds no memory map. Name the module "e820 data".'
            )
        else:
            continue
        yield Defect(f"modules[{index}].cmdline", message, module.cmdline.paddr if module.cmdline else None, severity)


@rule("PVH311", WARNING, only_linux=True)
def e820_module_is_smaller_than_its_map(case: Case) -> Iterator[Defect]:
    """A map of n entries takes 4 + 20 * n bytes. A kernel built with the 2017 RFC patches ignores the module's size, so
    it reads entries past the end of the module, from memory that is not part of the map.

    Set the module's size to 4 + 20 * n, or correct the map's nr_entries.

    Source: the 2017 RFC patches; Linux arch/x86/include/asm/e820/types.h, struct e820_table.
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
    """FreeBSD compares the command line of module 0 with "header", even if the module has no command line. QEMU passes
    an initrd with cmdline_paddr 0, so FreeBSD reads through a null pointer.

    Start FreeBSD without an initrd.

    Source: FreeBSD sys/x86/xen/pv.c.
    """
    for module in case.modules[:1]:
        if case.guest is FREEBSD and not module.entry.cmdline_paddr:
            message = (
                "cmdline_paddr of module 0 is 0: FreeBSD reads the module's name through this null pointer. "
                "Start FreeBSD without an initrd."
            )
            yield Defect("modules[0].cmdline_paddr", message, _address(module, "cmdline_paddr"))


@rule("PVH313", ERROR)
def ramdisk_is_in_a_format_that_linux_cannot_unpack(case: Case) -> Iterator[Defect]:
    """Linux unpacks its ramdisk if it is a cpio archive in the "newc" format, or one that is compressed with gzip,
    bzip2, lzma, xz, LZO, LZ4 or zstd. It can also mount the image of some file systems. It ignores any other ramdisk,
    and later panics unless `root=` names another root file system.

    Pass a cpio archive, made with `cpio -o -H newc`, with `-i`. The kernel goes first on the command line, without
    `-i`.

    Source: Linux init/initramfs.c and init/do_mounts_rd.c; Documentation/driver-api/early-userspace/buffer-format.rst.
    """
    stop = case.last_stop_at("entry")
    if stop is None or not case.modules or case.image is None or not case.image.is_linux:
        return
    module = case.modules[0]
    size = min(module.entry.size, MODULE_HEAD)
    head = stop.bytes_at(module.entry.paddr, size) if size else None
    found = ramdisk.defect(head) if head else None
    if found:
        message = (
            f"module 0 is {found}, not a ramdisk: Linux ignores it, and panics unless root= names another root file "
            "system. Pass a cpio archive in the newc format, which may be compressed."
        )
        yield Defect("modules[0].paddr", message, _address(module, "paddr"))


@rule("PVH314", ERROR)
def initrd_file_is_empty(case: Case) -> Iterator[Defect]:
    """QEMU passes no module for an empty initrd file, and does not say so. The kernel boots without a ramdisk.

    Create the initrd again: the program that writes it may have failed, or may not have finished.

    Source: QEMU hw/i386/x86.c, x86_load_linux.
    """
    info = case.valid_start_info
    if info and case.machine.initrd_size == 0 and not info.nr_modules:
        message = "the initrd file is empty: QEMU passes no module, and the guest boots without it. Create it again."
        yield Defect(case.path_of("nr_modules"), message, case.address_of("nr_modules"))
