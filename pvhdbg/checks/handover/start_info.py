"""PVH101 to PVH111: struct hvm_start_info itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi.start_info import MAGIC, SIF_FLAGS
from pvhdbg.abi.text import printable
from pvhdbg.boot.stop.early_maps import guaranteed_limit
from pvhdbg.boot.stop.protocols import NO_MAP
from pvhdbg.checks.finding import ERROR, INFO, WARNING
from pvhdbg.checks.rules import Found, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pvhdbg.abi.start_info import StartInfo
    from pvhdbg.checks.case import Case

_FOUR_GIB = 1 << 32
_KNOWN_FLAGS = 0x1F | 0xFF00
# Xen 4.7's structure had the command line's address where flags are now.
_ADDRESS_LIKE = 1 << 16
_POINTERS = ("modlist_paddr", "cmdline_paddr", "rsdp_paddr", "memmap_paddr")


@rule("PVH101", ERROR, cause=True)
def magic_is_wrong(case: Case) -> Iterator[Found]:
    """EBX must hold the physical address of a struct that begins with 0x336ec578. Linux compares it before anything
    else and ends in a BUG: `ud2` without an IDT, a triple fault, no word on any console.

    Let the VMM put the address into EBX (not ESI, not a virtual one). If the bytes are text, something long was copied
    over the structure: pvh.bin's command line buffer has 4096 bytes, and start_info lies right behind it.

    Source: Xen xen/include/public/arch-x86/hvm/start_info.h; Linux arch/x86/platform/pvh/enlighten.c.
    """
    info = case.info
    if info is None or info.magic == MAGIC:
        return
    raw = info.magic.to_bytes(4, "little")
    text = f'; its bytes are the text "{printable(raw)}": was a string copied over it?' if _is_text(raw) else ""
    yield Found(case.path("magic"), f"magic is {info.magic:#x}, not {MAGIC:#x}{text}", case.place("magic"))


def _is_text(raw: bytes) -> bool:
    return all(0x20 <= each <= 0x7E for each in raw)


@rule("PVH102", WARNING, ERROR, INFO, cause=True)
def version_0_has_no_memory_map(case: Case) -> Iterator[Found]:
    """Version 0 of the structure ends before memmap_paddr. A guest on Xen asks Xen for its map, so there it is right;
    anywhere else Linux from 5.0 on ends in a BUG, because nobody else can tell it what is RAM.

    Hand over version 1 with a memory map; `--protocol memmap` tries what the kernel makes of that.

    Source: Linux arch/x86/platform/pvh/enlighten.c, mem_map_via_hcall; Xen xen/arch/x86/hvm/dom0_build.c leaves it 0.
    """
    info = _with_magic(case)
    if info is None or info.version or not _has_no_map(case):
        return
    yield _without_map(case, "version", "version is 0")


@rule("PVH103", WARNING, ERROR, INFO, cause=True)
def memmap_has_no_entries(case: Case) -> Iterator[Found]:
    """Version 1 may have a map of 0 entries, and then has none. Linux falls back to asking Xen, and without Xen ends in
    a BUG before it can say so.

    Let the VMM count its entries into memmap_entries. 256 and its multiples are another trap: see PVH207.

    Source: Xen start_info.h; Linux arch/x86/platform/pvh/enlighten.c.
    """
    info = _with_magic(case)
    if info is None or not info.version or info.memmap_entries or not _has_no_map(case):
        return
    yield _without_map(case, "memmap_entries", f"memmap_entries is 0 (version {info.version})")


def _without_map(case: Case, name: str, fact: str) -> Found:
    what, severity = "no memory map is handed over", None
    if case.rules.xen:
        what, severity = "Xen is asked for the map", INFO
    elif case.predicted(f"start_info.{name}"):
        what, severity = f"{what}, and without one this kernel ends in a BUG", ERROR
    return Found(case.path(name), f"{fact}: {what}", case.place(name), severity)


def _with_magic(case: Case) -> StartInfo | None:
    """Without the magic the other fields mean nothing."""
    return case.info if case.info and case.info.magic == MAGIC else None


def _has_no_map(case: Case) -> bool:
    return case.seen.memory_map is not None and case.seen.memory_map.protocol == NO_MAP


@rule("PVH104", INFO)
def version_is_unknown(case: Case) -> Iterator[Found]:
    """A version above 1 must be compatible with 1, and is decoded so. Where the number looks like flags, the structure
    may be that of Xen 4.7: the same magic, then flags where the version is now, and 32-bit addresses.

    Source: Xen start_info.h; the hvmlite document of Xen 4.7.
    """
    info = _with_magic(case)
    if info and info.version > 1:
        yield Found(case.path("version"), f"version is {info.version}: 1 is the newest known", case.place("version"))


@rule("PVH105", INFO)
def flags_are_unknown(case: Case) -> Iterator[Found]:
    """The flags are SIF_* bits; no VMM but Xen sets any, and guests look at them on Xen alone. A value like an address
    is what Xen 4.7's older structure has there: its command line.

    Source: Xen xen/include/public/xen.h, SIF_*; the hvmlite document of Xen 4.7.
    """
    info = _with_magic(case)
    unknown = info.flags & ~_KNOWN_FLAGS if info else 0
    if info and unknown:
        old = ": an address, as in the structure of Xen 4.7?" if unknown >= _ADDRESS_LIKE else ""
        named = SIF_FLAGS.text(info.flags)
        yield Found(case.path("flags"), f"flags has unknown bits: {named}{old}", case.place("flags"))


@rule("PVH106", INFO)
def reserved_is_not_0(case: Case) -> Iterator[Found]:
    """Bytes that are reserved must be 0, so that a later version can give them a meaning. Today nobody reads them.

    Clear the structure before filling it in.

    Source: Xen start_info.h.
    """
    info = _with_magic(case)
    if info and info.version and info.reserved:
        yield Found(case.path("reserved"), f"reserved is {info.reserved:#x}, not 0", case.place("reserved"))


@rule("PVH107", ERROR)
def a_table_is_counted_but_its_address_is_0(case: Case) -> Iterator[Found]:
    """0 in an address field means that there is no such thing, but Linux looks at the counters alone: it reads the
    real-mode interrupt vectors at address 0 as its memory map, or as its ramdisk's address.

    Set memmap_entries and nr_modules to 0 where there is no table.

    Source: Xen start_info.h; Linux arch/x86/platform/pvh/enlighten.c.
    """
    info = _with_magic(case)
    if info is None:
        return
    for pointer, count, number in (
        ("memmap_paddr", "memmap_entries", info.memmap_entries if info.version else 0),
        ("modlist_paddr", "nr_modules", info.nr_modules),
    ):
        if number and not getattr(info, pointer):
            yield Found(case.path(pointer), f"{pointer} is 0, but {count} is {number}", case.place(pointer))


@rule("PVH108", WARNING, ERROR)
def an_address_is_above_4_gib(case: Case) -> Iterator[Found]:
    """The fields have 64 bits, but the guest is entered in 32-bit mode: Xen as a guest ends in a BUG for any address
    above 4 GiB, and Linux keeps the low half of cmdline_paddr alone and so loses its command line.

    Put everything below 4 GiB, better below 1 GiB.

    Source: Xen xen/arch/x86/guest/xen/pvh-boot.c; Linux arch/x86/platform/pvh/enlighten.c.
    """
    info = _with_magic(case)
    for name in _POINTERS if info else ():
        value = getattr(info, name)
        if value >= _FOUR_GIB:
            is_cmdline = name == "cmdline_paddr"
            cut = f": Linux keeps {value & 0xFFFFFFFF:#x} of it" if is_cmdline else ""
            severity = case.fatal if is_cmdline else None
            yield Found(case.path(name), f"{name} is {value:#x}, above 4 GiB{cut}", case.place(name), severity)


@rule("PVH109", WARNING, ERROR, cause=True)
def a_table_is_beyond_the_early_page_tables(case: Case) -> Iterator[Found]:
    """xen_prepare_pvh reads the map and the module list through page tables that show the first GiB alone (a 32-bit
    kernel's less: not much more than the kernel itself). There is no IDT yet, so the page fault is a triple fault.
    FreeBSD and Mini-OS map as little.

    Put the tables low; every VMM that is known does. The command line and the ramdisk may lie higher: they are read
    later.

    Source: Linux arch/x86/platform/pvh/head.S and arch/x86/kernel/head_64.S.
    """
    yield from _unreached(case)
    death = case.predicted("start_info.memmap_paddr", "start_info.modlist_paddr")
    death = death or case.predicted("modules[1].paddr", "modules[1].cmdline_paddr")
    if death:
        head, point, name = death.field.partition(".")
        if head == "start_info":
            yield Found(case.path(name), f"{name}: {death.why}", case.place(name), ERROR)
        else:
            yield Found(death.field, f"{head}{point}{name}: {death.why}", _module_place(case, name), ERROR)


def _module_place(case: Case, name: str) -> int | None:
    if len(case.modules) < 2:
        return None
    entry = case.modules[1].entry
    return entry.address_of(entry.field(name))


def _unreached(case: Case) -> Iterator[Found]:
    """Where no death is foreseen: other guests than Linux, and kernels whose reach is not known."""
    info = _with_magic(case)
    if info is None:
        return
    reach = guaranteed_limit(case.image, case.symbols)
    do = "reach" if case.rules.early else "of a 32-bit kernel are only sure to reach"
    for name, count in (
        ("memmap_paddr", info.memmap_entries if info.version else 0),
        ("modlist_paddr", info.nr_modules),
    ):
        value = getattr(info, name)
        if count and value >= reach and not case.predicted(f"start_info.{name}") and not _is_ignored(case, name):
            meant = case.rules.early.accessed_paddr(value, 1) if case.rules.early else None
            wrapped = "" if meant is None else f", and addresses wrap: the kernel reads {meant:#x} instead"
            message = f"{name} is {value:#x}: early page tables {do} to {reach:#x}{wrapped}"
            yield Found(case.path(name), message, case.place(name), ERROR if wrapped else None)


def _is_ignored(case: Case, name: str) -> bool:
    """Whether this kernel never looks there."""
    return name == "memmap_paddr" and case.rules.memmap is False


@rule("PVH110", ERROR, cause=True)
def there_is_no_start_info(case: Case) -> Iterator[Found]:
    """EBX is all that a PVH guest is given. If nothing lies where it points, there is neither map nor command line.

    Let the VMM load EBX with start_info's physical address, below 4 GiB, in memory that the guest has.

    Source: Xen docs/misc/pvh.pandoc.
    """
    ebx = case.seen.registers.get("rbx")
    if not case.is_entry or ebx is None:
        return
    if case.seen.start_info is None:
        why = case.seen.missing.get("start_info", "unreadable")
        yield Found("registers.rbx", f"rbx is {ebx:#x}, where there is no start_info: {why}")
    elif ebx & 0xFFFFFFFF == 0:
        yield Found("registers.rbx", "rbx is 0, and nothing is ever handed over at physical address 0")


@rule("PVH111", WARNING)
def the_copy_is_not_what_was_handed_over(case: Case) -> Iterator[Found]:
    """The kernel's entry code copies start_info from EBX. Where both are no longer the same, one was overwritten: by a
    write to memory that the map calls free, or because start_info is in ROM, where 6.12 and later can't use its first
    word as the stack that they need for one call.

    Compare the two (`diff entry`), and look what else lies at either address (`map`).

    Source: Linux arch/x86/platform/pvh/head.S.
    """
    given, copy = case.seen.start_info, case.seen.pvh_start_info
    if given is None or copy is None or given.raw == copy.raw:
        return
    for field in copy.FIELDS:
        if copy.has(field) and given.has(field) and copy.bytes_of(field) != given.bytes_of(field):
            old, new = (field.text(field.__get__(each, type(each))) for each in (given, copy))
            message = f"{field.name} is {new} in the kernel's copy, {old} in start_info"
            yield Found(f"pvh_start_info.{field.name}", message, copy.address_of(field))
