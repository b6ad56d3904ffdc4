"""PVH401 to PVH412: pvh_bootparams, compared with what the model expects and with the kernel's copy, boot_params."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi.boot_params import BootParams
from pvhdbg.abi.e820 import ISA_SIZE, ISA_START, RESERVED
from pvhdbg.abi.setup_header import LOADER_XEN, RFC_VERSION
from pvhdbg.boot.model.difference import Mismatch, mismatches
from pvhdbg.boot.model.expected import ExpectedBootParams
from pvhdbg.checks.finding import ERROR, INFO, WARNING
from pvhdbg.checks.rules import Defect, rule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pvhdbg.checks.case import Case

_ENTRY = "boot_params.e820_table["
_HDR = "boot_params.hdr."
_WITH_OWN_RULE = {
    *(f"{_HDR}{name}" for name in ("cmd_line_ptr", "ramdisk_image", "ramdisk_size", "version", "type_of_loader")),
    "boot_params.e820_entries",
    "boot_params.acpi_rsdp_addr",
}
_DISPLAY = ("boot_params.screen_info", "boot_params.efi_info")
_BYTES_SHOWN = 16
_FIX = "Check what writes to this address."


def _defects(case: Case, is_meant: Callable[[str], bool], then: str) -> Iterator[Defect]:
    """Yield the mismatches whose path `is_meant` accepts; `then` is their consequence."""
    yield from (_defect(case, mismatch, then) for mismatch in case.mismatches if is_meant(mismatch.path))


def _defect(case: Case, mismatch: Mismatch, then: str) -> Defect:
    params = case.pvh_bootparams
    at = None if params is None or params.at is None else params.at + mismatch.offset
    expected = " or ".join(_value_text(value) for value in mismatch.expected)
    name = mismatch.path.partition(".")[2]
    return Defect(
        mismatch.path, f"{name} is {_value_text(mismatch.actual)}, but should be {expected}: {then}. {_FIX}", at
    )


def _value_text(value: object) -> str:
    if isinstance(value, int):
        return f"{value:#x}"
    if isinstance(value, bytes):
        return value[:_BYTES_SHOWN].hex(" ") + (" .." if len(value) > _BYTES_SHOWN else "")
    return str(value)[: 4 * _BYTES_SHOWN]


def _is_map(path: str) -> bool:
    return path == "boot_params.e820_entries" or path.startswith(_ENTRY)


def _isa_index(case: Case) -> int | None:
    """Return the index at which the ISA range should be: after the last entry of the map."""
    if case.expected is None:
        return None
    expected = BootParams(case.expected.boot_params)
    count = expected.e820_entries
    last = expected.e820_table[count - 1 : count] if count else ()
    isa = (ISA_START, ISA_SIZE, RESERVED)
    return next((count - 1 for entry in last if (entry.addr, entry.size, entry.type) == isa), None)


def _is_isa(case: Case, path: str) -> bool:
    return path.startswith(_ENTRY) and path.startswith(f"{_ENTRY}{_isa_index(case)}].")


@rule("PVH401", ERROR)
def pvh_bootparams_differs_from_the_memory_map(case: Case) -> Iterator[Defect]:
    """Linux copies the memory map entry by entry and in order, including empty entries and those of type 0, and counts
    the entries in one byte. If pvh_bootparams has another map, the kernel's memory is not what the VMM passed.

    Compare `memmap` with `bootparams`. Check whether this kernel modifies init_pvh_bootparams, and use `map` to see
    what else is at the address of pvh_bootparams.

    Source: Linux arch/x86/platform/pvh/enlighten.c, init_pvh_bootparams.
    """
    then = "this is not the memory map that the VMM passed"
    yield from _defects(case, lambda path: _is_map(path) and not _is_isa(case, path), then)


@rule("PVH402", WARNING)
def isa_range_was_not_added(case: Case) -> Iterator[Defect]:
    """After the last entry of the map, Linux adds 0xa0000-0xfffff as reserved, if there is room. Without that entry,
    the kernel may use the memory of video cards and ROMs as RAM.

    Check whether this kernel modifies init_pvh_bootparams, and use `map` to see what else is at the address of
    pvh_bootparams.

    Source: Linux arch/x86/platform/pvh/enlighten.c, init_pvh_bootparams.
    """
    then = "the kernel may use video memory and ROMs as RAM"
    yield from _defects(case, lambda path: _is_isa(case, path), then)


@rule("PVH403", ERROR)
def cmd_line_ptr_is_not_cmdline_paddr(case: Case) -> Iterator[Defect]:
    """hdr.cmd_line_ptr must be the low 32 bits of start_info's cmdline_paddr. With any other value the kernel uses
    other bytes as its command line, or none.

    Check whether this kernel modifies init_pvh_bootparams, and use `map` to see what else is at the address of
    pvh_bootparams.

    Source: Linux arch/x86/platform/pvh/enlighten.c, init_pvh_bootparams.
    """
    then = "the kernel uses other bytes as its command line"
    yield from _defects(case, lambda path: path == f"{_HDR}cmd_line_ptr", then)


@rule("PVH404", ERROR)
def ramdisk_is_not_module_0(case: Case) -> Iterator[Defect]:
    """hdr.ramdisk_image and hdr.ramdisk_size must be the low 32 bits of module 0's address and size, or 0 if there are
    no modules. With any other value the kernel loses its ramdisk.

    Check whether this kernel modifies init_pvh_bootparams, and use `map` to see what else is at the address of
    pvh_bootparams.

    Source: Linux arch/x86/platform/pvh/enlighten.c, init_pvh_bootparams.
    """
    then = "the kernel does not find its ramdisk"
    yield from _defects(case, lambda path: path.startswith(f"{_HDR}ramdisk_"), then)


@rule("PVH405", WARNING)
def hdr_version_is_unexpected(case: Case) -> Iterator[Defect]:
    """PVH kernels set hdr.version to 2.12 (0x20c); the first PVH kernels set it to 0x212 by mistake. Only 32-bit
    kernels before 5.9 check it, before they read hardware_subarch.

    Check whether this kernel modifies init_pvh_bootparams, and use `map` to see what else is at the address of
    pvh_bootparams.

    Source: Linux arch/x86/platform/pvh/enlighten.c, init_pvh_bootparams.
    """
    then = "32-bit kernels before 5.9 check it"
    yield from _defects(case, lambda path: path == f"{_HDR}version", then)


@rule("PVH406", WARNING, ERROR)
def type_of_loader_is_unexpected(case: Case) -> Iterator[Defect]:
    """PVH kernels set hdr.type_of_loader to 0x90 (Xen) if they detect Xen, and to 0xb0 (QEMU) with every other VMM. If
    it is 0, the kernel ignores its ramdisk.

    Check whether this kernel modifies init_pvh_bootparams, and use `map` to see what else is at the address of
    pvh_bootparams.

    Source: Linux arch/x86/platform/pvh/enlighten.c; arch/x86/kernel/setup.c, early_reserve_initrd.
    """
    params = case.pvh_bootparams
    loses = params is not None and params.hdr.type_of_loader == 0 and params.hdr.ramdisk_size != 0
    then = "the kernel ignores its ramdisk" if loses else "PVH kernels set no other value"
    for defect in _defects(case, lambda path: path == f"{_HDR}type_of_loader", then):
        yield defect._replace(severity=ERROR if loses else None)


@rule("PVH407", WARNING)
def acpi_rsdp_addr_is_unexpected(case: Case) -> Iterator[Defect]:
    """Linux with commit 7271cb98e498 (2026) copies rsdp_paddr to boot_params.acpi_rsdp_addr. Older kernels leave the
    field 0 and use pvh_get_root_pointer instead. With any other value, the kernel may not find its ACPI tables.

    Check whether this kernel modifies init_pvh_bootparams, and use `map` to see what else is at the address of
    pvh_bootparams.

    Source: Linux commit 7271cb98e498.
    """
    then = "the kernel may not find its ACPI tables"
    yield from _defects(case, lambda path: path == "boot_params.acpi_rsdp_addr", then)


@rule("PVH408", WARNING)
def pvh_bootparams_field_is_not_0(case: Case) -> Iterator[Defect]:
    """xen_prepare_pvh clears pvh_bootparams and then sets only a few fields. Other fields that are not 0 can do harm:
    with a nonzero sentinel, the kernel clears more fields; with KASLR_FLAG in loadflags, it assumes that it was moved;
    the ext_* fields are the upper halves of addresses.

    Something else wrote to this address. Use `map` to see what else is there.

    Source: Linux arch/x86/platform/pvh/enlighten.c; arch/x86/include/asm/bootparam_utils.h.
    """

    def is_meant(path: str) -> bool:
        return path not in _WITH_OWN_RULE and not _is_map(path) and not path.startswith(_DISPLAY)

    yield from _defects(case, is_meant, "xen_prepare_pvh does not set it")


@rule("PVH409", WARNING)
def screen_info_or_efi_info_is_set_without_xen(case: Case) -> Iterator[Defect]:
    """Linux fills in screen_info and efi_info only as Xen's control domain. In every other PVH kernel they are 0.

    Something else wrote to this address. Use `map` to see what else is there.

    Source: Linux arch/x86/xen/vga.c and efi.c.
    """
    then = "Linux sets it only as Xen's control domain"
    yield from _defects(case, lambda path: path.startswith(_DISPLAY), then)


@rule("PVH410", INFO)
def hdr_version_is_0x212(case: Case) -> Iterator[Defect]:
    """0x212 was meant to be version 2.12, but it means 2.18. Kernels up to 4.18 and kernels built with the 2017 RFC
    patches set it. No known program interprets it as 2.18.

    No change is needed.

    Source: Linux arch/x86/xen/enlighten_pvh.c, 4.11 to 4.18.
    """
    params = case.pvh_bootparams
    if params and params.hdr.version == RFC_VERSION:
        message = f"hdr.version is {RFC_VERSION:#x}, not 0x20c: this is a harmless mistake in the first PVH kernels."
        yield Defect(f"{_HDR}version", message, params.hdr.address_of(type(params.hdr).version))


@rule("PVH411", INFO)
def kernel_detected_xen(case: Case) -> Iterator[Defect]:
    """type_of_loader 0x90 means that the kernel found Xen's CPUID leaves. It then prepares for hypercalls, and asks Xen
    for the memory map if start_info has no map. This is correct on Xen (pvhdbg does not report it then), and
    under KVM with QEMU's option xen-version=.

    On any other machine, make the VMM hide Xen's CPUID leaves.

    Source: Linux arch/x86/platform/pvh/enlighten.c, hypervisor_specific_init; QEMU docs/system/i386/xen.rst.
    """
    params = case.pvh_bootparams
    if params and params.hdr.type_of_loader == LOADER_XEN and not case.is_on_xen:
        message = (
            f"hdr.type_of_loader is {LOADER_XEN:#x}: this kernel found Xen's CPUID leaves. If the VMM is not Xen, it "
            "should hide them."
        )
        yield Defect(f"{_HDR}type_of_loader", message, params.hdr.address_of(type(params.hdr).type_of_loader))


@rule("PVH412", WARNING)
def boot_params_differs_from_pvh_bootparams(case: Case) -> Iterator[Defect]:
    """Early in the boot, Linux copies pvh_bootparams to boot_params byte by byte. If the two differ, something wrote to
    one of them in between, or sentinel was not 0.

    Compare the two with `diff bootparams`.

    Source: Linux arch/x86/kernel/head64.c, copy_bootdata.
    """
    stop, copy = case.last_stop_at("bootparams"), case.capture.kernel_boot_params
    original = stop.boot_params if stop else None
    if case.capture.stage != "kernel" or copy is None or original is None or original.raw == copy.raw:
        return
    for mismatch in mismatches(_exactly(original.raw), copy):
        at = None if copy.at is None else copy.at + mismatch.offset
        name, new, old = mismatch.path.partition(".")[2], mismatch.actual, mismatch.expected[0]
        message = (
            f"{name} is {_value_text(new)} in boot_params, but {_value_text(old)} in pvh_bootparams: one of them was "
            "overwritten. Compare them with `diff bootparams`."
        )
        yield Defect(f"kernel_{mismatch.path}", message, at)


def _exactly(raw: bytes) -> ExpectedBootParams:
    return ExpectedBootParams(raw, b"\xff" * BootParams.SIZE, {}, b"", None)
