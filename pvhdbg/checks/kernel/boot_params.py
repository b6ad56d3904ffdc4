"""PVH401 to PVH412: what the kernel made of what it was given, against what it should have made of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi.boot_params import BootParams
from pvhdbg.abi.e820 import ISA_SIZE, ISA_START, RESERVED
from pvhdbg.abi.setup_header import LOADER_XEN, RFC_VERSION
from pvhdbg.boot.model.difference import Mismatch, mismatches
from pvhdbg.boot.model.expected import ExpectedBootParams
from pvhdbg.checks.finding import ERROR, INFO, WARNING
from pvhdbg.checks.rules import Found, rule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pvhdbg.checks.case import Case

_ENTRY = "boot_params.e820_table["
_HDR = "boot_params.hdr."
_OWN_RULE = {f"{_HDR}{name}" for name in ("cmd_line_ptr", "ramdisk_image", "ramdisk_size", "version", "type_of_loader")}
_OWN_RULE |= {"boot_params.e820_entries", "boot_params.acpi_rsdp_addr"}
_DISPLAY = ("boot_params.screen_info", "boot_params.efi_info")
_SHOWN = 16


def _mismatches(case: Case, is_meant: Callable[[str], bool]) -> Iterator[Mismatch]:
    yield from (each for each in case.mismatches if is_meant(each.path))


def _found(case: Case, each: Mismatch, severity: str | None = None) -> Found:
    params = case.made
    at = None if params is None or params.at is None else params.at + each.offset
    wanted = " or ".join(_value(value) for value in each.expected)
    name = each.path.partition(".")[2]
    return Found(each.path, f"{name} is {_value(each.actual)}, should be {wanted}", at, severity)


def _value(value: object) -> str:
    if isinstance(value, int):
        return f"{value:#x}"
    if isinstance(value, bytes):
        return value[:_SHOWN].hex(" ") + (" .." if len(value) > _SHOWN else "")
    return str(value)[: 4 * _SHOWN]


def _is_entry(path: str) -> bool:
    return path == "boot_params.e820_entries" or path.startswith(_ENTRY)


def _isa_index(case: Case) -> int | None:
    """Where the ISA range should be, behind the last entry."""
    wanted = case.expected
    if wanted is None:
        return None
    record = BootParams(wanted.boot_params)
    count = record.e820_entries
    last = record.e820_table[count - 1 : count] if count else ()
    isa = (ISA_START, ISA_SIZE, RESERVED)
    return next((count - 1 for each in last if (each.addr, each.size, each.type) == isa), None)


def _is_isa(case: Case, path: str) -> bool:
    return path.startswith(_ENTRY) and path.startswith(f"{_ENTRY}{_isa_index(case)}].")


@rule("PVH401", ERROR)
def e820_is_not_the_map_that_was_handed_over(case: Case) -> Iterator[Found]:
    """Linux copies the map entry by entry, in its order, with empty entries and those of type 0, and counts them in a
    byte. Where boot_params has something else, memory was lost or invented between the VMM and the kernel.

    Source: Linux arch/x86/platform/pvh/enlighten.c, init_pvh_bootparams.
    """
    for each in _mismatches(case, _is_entry):
        if not _is_isa(case, each.path):
            yield _found(case, each)


@rule("PVH402", WARNING)
def the_isa_range_was_not_added(case: Case) -> Iterator[Found]:
    """Behind the last entry Linux adds 0xa0000-0xfffff as reserved, as long as there is room. Without it, memory of
    video and ROMs may be taken for RAM.

    Source: Linux arch/x86/platform/pvh/enlighten.c, init_pvh_bootparams.
    """
    yield from (_found(case, each) for each in _mismatches(case, lambda path: _is_isa(case, path)))


@rule("PVH403", ERROR)
def cmd_line_ptr_is_not_cmdline_paddr(case: Case) -> Iterator[Found]:
    """hdr.cmd_line_ptr is the low half of cmdline_paddr; with another value the kernel takes other bytes for its
    command line, or none.

    Source: Linux arch/x86/platform/pvh/enlighten.c, init_pvh_bootparams.
    """
    yield from (_found(case, each) for each in _mismatches(case, lambda path: path == f"{_HDR}cmd_line_ptr"))


@rule("PVH404", ERROR)
def ramdisk_is_not_module_0(case: Case) -> Iterator[Found]:
    """hdr.ramdisk_image and hdr.ramdisk_size are the low halves of module 0's address and size, and 0 without modules.

    Source: Linux arch/x86/platform/pvh/enlighten.c, init_pvh_bootparams.
    """
    yield from (_found(case, each) for each in _mismatches(case, lambda path: path.startswith(f"{_HDR}ramdisk_")))


@rule("PVH405", WARNING)
def hdr_version_is_neither_of_those_known(case: Case) -> Iterator[Found]:
    """PVH kernels say 2.12 (0x20c), the first ones, by a slip, 0x212. Only 32-bit kernels before 5.9 compare
    it, before they look at hardware_subarch.

    Source: Linux arch/x86/platform/pvh/enlighten.c, init_pvh_bootparams.
    """
    yield from (_found(case, each) for each in _mismatches(case, lambda path: path == f"{_HDR}version"))


@rule("PVH406", WARNING, ERROR)
def type_of_loader_is_neither_of_those_known(case: Case) -> Iterator[Found]:
    """PVH kernels say 0xb0 (QEMU) whatever VMM started them, 0x90 (Xen) where they see Xen. With 0 the kernel ignores
    its ramdisk.

    Source: Linux arch/x86/platform/pvh/enlighten.c; arch/x86/kernel/setup.c, early_reserve_initrd.
    """
    params = case.made
    loses = params is not None and params.hdr.type_of_loader == 0 and params.hdr.ramdisk_size != 0
    for each in _mismatches(case, lambda path: path == f"{_HDR}type_of_loader"):
        yield _found(case, each, ERROR if loses else None)


@rule("PVH407", WARNING)
def acpi_rsdp_addr_is_neither_0_nor_rsdp_paddr(case: Case) -> Iterator[Found]:
    """From 2026 on Linux hands rsdp_paddr on in boot_params.acpi_rsdp_addr; before, through a hook, and the field is 0.

    Source: Linux commit 7271cb98e498.
    """
    yield from (_found(case, each) for each in _mismatches(case, lambda path: path == "boot_params.acpi_rsdp_addr"))


@rule("PVH408", WARNING)
def a_field_is_set_that_should_be_0(case: Case) -> Iterator[Found]:
    """The structure is cleared first, and only a few fields are set. A sentinel other than 0 makes the kernel clear
    others; loadflags' KASLR_FLAG would let it believe that it was moved; ext_* are upper halves of addresses.

    Something wrote there: look at the address, and who else uses it.

    Source: Linux arch/x86/platform/pvh/enlighten.c; arch/x86/include/asm/bootparam_utils.h.
    """
    for each in _mismatches(case, lambda path: path not in _OWN_RULE and not _is_entry(path)):
        if not each.path.startswith(_DISPLAY):
            yield _found(case, each)


@rule("PVH409", WARNING)
def the_display_is_set_without_xen(case: Case) -> Iterator[Found]:
    """screen_info and efi_info are filled in for Xen's control domain alone; any other PVH kernel has zeros there.

    Source: Linux arch/x86/xen/vga.c and efi.c.
    """
    yield from (_found(case, each) for each in _mismatches(case, lambda path: path.startswith(_DISPLAY)))


@rule("PVH410", INFO)
def the_kernel_has_the_ways_of_the_first_pvh_kernels(case: Case) -> Iterator[Found]:
    """hdr.version 0x212 was meant as 2.12 and says 2.18: kernels up to 4.18, and the RFC of 2017. Nothing reads it so.

    Source: Linux arch/x86/xen/enlighten_pvh.c, 4.11 to 4.18.
    """
    params = case.made
    if params and params.hdr.version == RFC_VERSION:
        message = f"hdr.version is {RFC_VERSION:#x}: 2.12, written as 2.18 by a slip of the first PVH kernels"
        yield Found(f"{_HDR}version", message, params.hdr.address_of(type(params.hdr).version))


@rule("PVH411", INFO)
def the_kernel_sees_xen(case: Case) -> Iterator[Found]:
    """type_of_loader 0x90: the kernel found Xen's CPUID leaves, set up a hypercall page, and asks Xen for its map where
    start_info has none. Right on Xen, and on QEMU's KVM with xen-version; anywhere else a VMM shows leaves that it
    should not.

    Source: Linux arch/x86/platform/pvh/enlighten.c, hypervisor_specific_init; QEMU docs/system/i386/xen.rst.
    """
    params = case.made
    if params and params.hdr.type_of_loader == LOADER_XEN:
        message = f"hdr.type_of_loader is {LOADER_XEN:#x}: this kernel believes that it runs on Xen"
        yield Found(f"{_HDR}type_of_loader", message, params.hdr.address_of(type(params.hdr).type_of_loader))


@rule("PVH412", WARNING)
def the_copy_of_the_kernel_is_not_pvh_bootparams(case: Case) -> Iterator[Found]:
    """Linux copies pvh_bootparams to boot_params byte by byte before it runs anything else of its own. A difference is
    a write in between, or a sentinel that was not 0.

    Source: Linux arch/x86/kernel/head64.c, copy_bootdata.
    """
    before, now = case.at_stage("bootparams"), case.seen.kernel_boot_params
    made = before.boot_params if before else None
    if case.seen.stage != "kernel" or now is None or made is None or made.raw == now.raw:
        return
    for each in mismatches(_exactly(made.raw), now):
        path = f"kernel_{each.path}"
        at = None if now.at is None else now.at + each.offset
        message = (
            f"{each.path.partition('.')[2]} is {_value(each.actual)}, in pvh_bootparams {_value(each.expected[0])}"
        )
        yield Found(path, message, at)


def _exactly(raw: bytes) -> ExpectedBootParams:
    return ExpectedBootParams(raw, b"\xff" * BootParams.SIZE, {}, b"", None)
