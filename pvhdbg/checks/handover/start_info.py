"""PVH101 to PVH111: struct hvm_start_info itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi.start_info import MAGIC, SIF_FLAGS
from pvhdbg.abi.text import printable
from pvhdbg.boot.stop.early_maps import EARLY_MAP_LIMIT, guaranteed_limit
from pvhdbg.boot.stop.protocols import NO_MAP
from pvhdbg.checks.finding import ERROR, INFO, WARNING
from pvhdbg.checks.rules import Defect, rule
from pvhdbg.guest_profiles.linux import LINUX

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pvhdbg.checks.case import Case

_FOUR_GIB = 1 << 32
_KNOWN_FLAGS = 0x1F | 0xFF00
# The structure of Xen 4.7 has the address of the command line where flags is now.
_LOWEST_ADDRESS = 1 << 16
_POINTERS = ("modlist_paddr", "cmdline_paddr", "rsdp_paddr", "memmap_paddr")


@rule("PVH101", ERROR, cause=True)
def magic_is_wrong(case: Case) -> Iterator[Defect]:
    """EBX must hold the physical address of a struct hvm_start_info, which begins with 0x336ec578. Linux compares this
    magic number before anything else. If it is wrong, Linux hits a BUG: it executes `ud2`, which without an IDT causes
    a triple fault. Nothing appears on any console.

    Make the VMM load the physical address of the structure into EBX: not into ESI, and not a virtual address. If the
    bytes are text, a long string was probably copied over the structure. For example, QEMU's option ROM pvh.bin has a
    buffer of 4096 bytes for the command line, followed by the module list and start_info.

    Source: Xen xen/include/public/arch-x86/hvm/start_info.h; Linux arch/x86/platform/pvh/enlighten.c.
    """
    info = case.start_info
    if info is None or info.magic == MAGIC or _is_changed_by_guest(case):
        return
    raw = info.magic.to_bytes(4, "little")
    if _is_text(raw):
        why = f'the bytes are the text "{printable(raw)}", so a string was probably copied over start_info'
        fix = "Check the length of the command line"
    else:
        why = f"this is not a valid start_info, and {(case.guest if case.is_another_guest else LINUX).wrong_magic}"
        fix = "Make EBX point to an intact struct hvm_start_info"
    message = f"magic is {info.magic:#x}, not {MAGIC:#x}: {why}. {fix}."
    yield Defect(case.path_of("magic"), message, case.address_of("magic"))


def _is_changed_by_guest(case: Case) -> bool:
    """Return whether the magic was correct at the entry, and the guest has used the memory of start_info since then.

    Some versions of Linux use it as a stack between the entry and xen_prepare_pvh, after they have copied it.
    """
    entry = next((stop for stop in case.earlier if stop.stage == "entry"), None)
    info = entry.start_info if entry else None
    is_original = case.capture.pvh_start_info is None and not case.is_at(case.capture.stage)
    return is_original and info is not None and info.magic == MAGIC


def _is_text(raw: bytes) -> bool:
    return all(0x20 <= byte <= 0x7E for byte in raw)


@rule("PVH102", WARNING, ERROR, INFO, cause=True)
def version_0_has_no_memory_map(case: Case) -> Iterator[Defect]:
    """Version 0 of struct hvm_start_info ends before memmap_paddr, so it has no memory map. A guest on Xen asks Xen for
    the map, so version 0 is correct there. Outside Xen, Linux 5.0 and later hits a BUG, because it has no other way to
    find out where RAM is.

    Pass a version 1 start_info with memmap_paddr and memmap_entries set.

    Source: Linux arch/x86/platform/pvh/enlighten.c, mem_map_via_hcall; Xen xen/arch/x86/hvm/dom0_build.c.
    """
    info = case.valid_start_info
    if info is None or info.version or not _has_no_map(case):
        return
    yield _without_map(case, "version", "version is 0")


@rule("PVH103", WARNING, ERROR, INFO, cause=True)
def memory_map_has_no_entries(case: Case) -> Iterator[Defect]:
    """In version 1 of struct hvm_start_info, memmap_entries 0 means that there is no memory map. Linux then asks Xen
    for the map. Outside Xen, it hits a BUG before it can print anything.

    Make the VMM store the number of its map entries in memmap_entries. Multiples of 256 are a different problem: see
    PVH207.

    Source: Xen start_info.h; Linux arch/x86/platform/pvh/enlighten.c.
    """
    info = case.valid_start_info
    if info is None or not info.version or info.memmap_entries or not _has_no_map(case):
        return
    yield _without_map(case, "memmap_entries", f"memmap_entries is 0 (version {info.version})")


def _without_map(case: Case, name: str, defect: str) -> Defect:
    fix = "Pass a version 1 start_info with memmap_paddr and memmap_entries set."
    if name == "memmap_entries":
        fix = "Set it to the number of entries at memmap_paddr."
    if case.kernel_behavior.xen:
        consequence, severity = "the guest asks Xen for its memory map.", INFO
    elif case.lacks_xen:
        fix = "Boot it with --xen."
        consequence, severity = f"the guest asks Xen for its memory map, but with --vmm there is no Xen. {fix}", ERROR
    elif case.death_blamed_on(f"start_info.{name}"):
        consequence, severity = f"there is no memory map, and this kernel hits a BUG without one. {fix}", ERROR
    else:
        consequence, severity = f"there is no memory map, and outside Xen a guest cannot find its RAM. {fix}", None
    return Defect(case.path_of(name), f"{defect}: {consequence}", case.address_of(name), severity)


def _has_no_map(case: Case) -> bool:
    return case.capture.memory_map is not None and case.capture.memory_map.protocol == NO_MAP


@rule("PVH104", INFO)
def version_is_unknown(case: Case) -> Iterator[Defect]:
    """A version above 1 must be compatible with version 1, so pvhdbg decodes it as version 1. If the number looks like
    flags, this may be the older structure of Xen 4.7, which has the same magic, then flags instead of version, and
    32-bit addresses.

    Pass version 1, unless the guest needs the newer version.

    Source: Xen start_info.h; the hvmlite document of Xen 4.7.
    """
    info = case.valid_start_info
    if info and info.version > 1:
        message = f"version is {info.version}, but the newest known version is 1: pvhdbg decodes it as version 1."
        yield Defect(case.path_of("version"), message, case.address_of("version"))


@rule("PVH105", INFO)
def flags_has_unknown_bits(case: Case) -> Iterator[Defect]:
    """The flags are SIF_* bits. Only Xen sets them, and guests read them only on Xen. A value that looks like an
    address suggests the older structure of Xen 4.7, which has the address of the command line at this offset.

    Set flags to 0, except on Xen.

    Source: Xen xen/include/public/xen.h, SIF_*; the hvmlite document of Xen 4.7.
    """
    info = case.valid_start_info
    unknown = info.flags & ~_KNOWN_FLAGS if info else 0
    if info and unknown:
        is_address = unknown >= _LOWEST_ADDRESS
        why = (
            "the value may be an address, as in the structure of Xen 4.7"
            if is_address
            else "guests read it only on Xen"
        )
        message = f"flags has unknown bits ({SIF_FLAGS.text(info.flags)}): {why}."
        yield Defect(case.path_of("flags"), message, case.address_of("flags"))


@rule("PVH106", INFO)
def start_info_has_nonzero_reserved_bytes(case: Case) -> Iterator[Defect]:
    """Reserved bytes must be 0, so that a later version can give them a meaning. No known guest reads them today.

    Clear the structure before filling it in.

    Source: Xen start_info.h.
    """
    info = case.valid_start_info
    if info and info.version and info.reserved:
        message = (
            f"field reserved is {info.reserved:#x}, not 0. No known guest reads it, but later versions may use it."
        )
        yield Defect(case.path_of("reserved"), message, case.address_of("reserved"))


@rule("PVH107", ERROR)
def table_address_is_0_but_its_count_is_not(case: Case) -> Iterator[Defect]:
    """An address of 0 means that there is no table, but Linux looks only at the count. It then reads the real-mode
    interrupt vectors at address 0 as its memory map, or as the address of its ramdisk.

    Set memmap_entries or nr_modules to 0 if there is no such table.

    Source: Xen start_info.h; Linux arch/x86/platform/pvh/enlighten.c.
    """
    info = case.valid_start_info
    if info is None:
        return
    for pointer, count, number in (
        ("memmap_paddr", "memmap_entries", info.memmap_entries if info.version else 0),
        ("modlist_paddr", "nr_modules", info.nr_modules),
    ):
        if number and not getattr(info, pointer):
            message = (
                f"{pointer} is 0, but {count} is {number}: Linux reads the table at address 0. Set the address, or "
                f"set {count} to 0."
            )
            yield Defect(case.path_of(pointer), message, case.address_of(pointer))


@rule("PVH108", WARNING, ERROR)
def address_is_above_4_gib(case: Case) -> Iterator[Defect]:
    """The address fields have 64 bits, but the VMM enters the guest in 32-bit mode. Xen hits a BUG if it runs as a PVH
    guest and any address is 4 GiB or more. Linux keeps only the low 32 bits of cmdline_paddr, and so loses its command
    line.

    Put everything below 4 GiB, or better below 1 GiB: see PVH109.

    Source: Xen xen/arch/x86/guest/xen/pvh-boot.c; Linux arch/x86/platform/pvh/enlighten.c.
    """
    info = case.valid_start_info
    for name in _POINTERS if info else ():
        value = getattr(info, name)
        if value >= _FOUR_GIB:
            is_cmdline = name == "cmdline_paddr"
            kept = f"Linux keeps only the low 32 bits, {value & 0xFFFFFFFF:#x}"
            why = kept if is_cmdline else "Xen hits a BUG when it runs as a PVH guest"
            severity = case.fatal_severity if is_cmdline else None
            message = f"{name} is {value:#x}, not below 4 GiB: {why}. Put it below 4 GiB."
            yield Defect(case.path_of(name), message, case.address_of(name), severity)


@rule("PVH109", WARNING, ERROR, cause=True)
def table_is_not_mapped_by_the_early_page_tables(case: Case) -> Iterator[Defect]:
    """A guest reads the memory map and the module list through its early page tables. Those of Linux, FreeBSD and
    Mini-OS map only the first GiB of physical memory; a 32-bit Linux maps little more than the kernel itself. There is
    no IDT yet, so a page fault is a triple fault. Linux reads the tables in xen_prepare_pvh.

    Put the tables at low addresses, as every known VMM does. The command line and the ramdisk may be higher, because
    Linux reads them later.

    Source: Linux arch/x86/platform/pvh/head.S and arch/x86/kernel/head_64.S.
    """
    yield from _unmapped_tables(case)
    death = case.death_blamed_on("start_info.memmap_paddr", "start_info.modlist_paddr")
    death = death or case.death_blamed_on("modules[1].paddr", "modules[1].cmdline_paddr")
    if death:
        head, _, name = death.field.partition(".")
        maps = case.kernel_behavior.early
        fix = f" Put it below {maps.limit:#x}." if maps else ""
        message = f"is out of reach: {death.why}. xen_prepare_pvh will page-fault.{fix}"
        if head == "start_info":
            yield Defect(case.path_of(name), f"{name} {message}", case.address_of(name), ERROR)
        else:
            yield Defect(death.field, f"{name} of module 1 {message}", _address_in_module_1(case, name), ERROR)


def _address_in_module_1(case: Case, name: str) -> int | None:
    if len(case.modules) < 2:
        return None
    entry = case.modules[1].entry
    return entry.address_of(entry.field(name))


def _unmapped_tables(case: Case) -> Iterator[Defect]:
    """Yield the tables out of reach for which the model predicts no death: not Linux, or early page tables unknown."""
    info = case.valid_start_info
    if info is None:
        return
    limit = guaranteed_limit(case.image, case.symbols) if case.is_linux else EARLY_MAP_LIMIT
    maps = case.kernel_behavior.early if case.is_linux else None
    for name, count in (
        ("memmap_paddr", info.memmap_entries if info.version else 0),
        ("modlist_paddr", info.nr_modules),
    ):
        value = getattr(info, name)
        if not count or value < limit or case.death_blamed_on(f"start_info.{name}") or _is_ignored(case, name):
            continue
        accessed = maps.accessed_paddr(value, 1) if maps else None
        if accessed is not None:
            why = f"the address wraps, and the kernel reads {accessed:#x} instead"
        elif not case.is_linux:
            why = "a guest that first maps only this much will page-fault"
        elif maps:
            why = "the kernel will page-fault"
        else:
            why = "if a 32-bit kernel maps no more than that, it will page-fault"
        defect = f"{name} is {value:#x}, beyond the early page tables, which end at {limit:#x}"
        message = f"{defect}: {why}. Put it below {limit:#x}."
        yield Defect(case.path_of(name), message, case.address_of(name), None if accessed is None else ERROR)


def _is_ignored(case: Case, name: str) -> bool:
    """Return whether this kernel never reads the table."""
    return name == "memmap_paddr" and case.kernel_behavior.memmap is False


@rule("PVH110", ERROR, cause=True)
def ebx_does_not_point_to_start_info(case: Case) -> Iterator[Defect]:
    """The VMM gives a PVH guest only the address in EBX. If there is no struct hvm_start_info at that address, the
    guest has neither a memory map nor a command line.

    Make the VMM put start_info into RAM below 4 GiB, and load EBX with its physical address.

    Source: Xen docs/misc/pvh.pandoc.
    """
    ebx = case.capture.registers.get("rbx")
    if not case.is_entry or ebx is None:
        return
    fix = "Load EBX with the physical address of start_info."
    if case.capture.start_info is None:
        why = case.capture.missing.get("start_info", "unreadable")
        yield Defect("registers.rbx", f"rbx is {ebx:#x}, but start_info cannot be read there ({why}). {fix}")
    elif ebx & 0xFFFFFFFF == 0:
        yield Defect("registers.rbx", f"rbx is 0: no VMM puts start_info at physical address 0. {fix}")


@rule("PVH111", WARNING)
def pvh_start_info_differs_from_start_info(case: Case) -> Iterator[Defect]:
    """The kernel's entry code copies start_info, at the address in EBX, to pvh_start_info. If the two differ, one of
    them was overwritten by a write to memory that the map lists as free, or start_info is in ROM: Linux 6.12 and later
    uses the first word of start_info as its stack for one call, which does not work in ROM.

    Compare the two with `diff entry`, and use `map` to see what else is at their addresses.

    Source: Linux arch/x86/platform/pvh/head.S.
    """
    original, copy = case.capture.start_info, case.capture.pvh_start_info
    if original is None or copy is None or original.raw == copy.raw:
        return
    for field in copy.FIELDS:
        if copy.has(field) and original.has(field) and copy.bytes_of(field) != original.bytes_of(field):
            old, new = (field.text(field.__get__(record, type(record))) for record in (original, copy))
            message = (
                f"{field.name} is {new} in pvh_start_info, but {old} in start_info: one of them was overwritten. "
                "Compare them with `diff entry`."
            )
            yield Defect(f"pvh_start_info.{field.name}", message, copy.address_of(field))
