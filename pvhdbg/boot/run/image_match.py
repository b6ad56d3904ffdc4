"""Compare the kernel file with the kernel in guest memory."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from pvhdbg.abi.cpu import CR0_PE, CR0_PG
from pvhdbg.abi.paging import Paging, walk
from pvhdbg.abi.text import printable
from pvhdbg.errors import RegisterUnavailable, SymbolMissing, TargetError
from pvhdbg.image.facts import KERNEL_HALF
from pvhdbg.image.fingerprints import BUILD_ID
from pvhdbg.target.base import RESET_VECTOR
from pvhdbg.target.nested import XEN

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pvhdbg.boot.stop.stages import Stage
    from pvhdbg.image.facts import ImageFacts
    from pvhdbg.image.fingerprints import Fingerprint
    from pvhdbg.target.base import Target

WAS_RESET = "the guest was reset and boots again"
RESET_HINT = "start QEMU with -no-reboot -no-shutdown to stop where the guest dies"
MISMATCH_HINT = "pass the file of the running kernel, and boot it with nokaslr: a relocated kernel has other addresses"
ANOTHER_KERNEL = "another kernel is in memory"
_USER_RING = 3
_STEP, _STEPS = 2 << 20, 512
"""KASLR moves a kernel by multiples of 2 MiB, within 1 GiB of virtual memory."""
_USER_TABLES = 0x1000
"""The bit of CR3 that selects the page tables of a user program, in a kernel with page-table isolation."""


class _SameMachine:
    """The memory and the registers of a Target."""

    def __init__(self, target: Target) -> None:
        self.read_phys = target.read_phys
        self.register = target.register
        if hasattr(target, "is_on_xen"):
            self.is_on_xen = target.is_on_xen
        if hasattr(target, "write_phys"):
            self.write_phys = target.write_phys


class WithoutSymbols(_SameMachine):
    """A Target without symbols, for a machine that runs another kernel than the one with the known symbols."""

    def symbol(self, name: str) -> int:
        raise SymbolMissing(name, ANOTHER_KERNEL)


class Relocated(_SameMachine):
    """A Target with the symbols of a kernel that was moved from its link addresses."""

    def __init__(self, target: Target, image: ImageFacts) -> None:
        super().__init__(target)
        self._symbol = target.symbol
        self._image = image

    def symbol(self, name: str) -> int:
        address = self._symbol(name)
        return address + self._image.moved_by if address >= KERNEL_HALF[self._image.elf_class] else address


def with_right_symbols(target: Target, image: ImageFacts | None, mismatch: str | None) -> Target:
    """Return a target whose symbols are those of the kernel in memory, at the addresses where that kernel runs."""
    if mismatch is not None:
        return WithoutSymbols(target)
    return Relocated(target, image) if image is not None and image.moved_by else target


def relocated(target: Target, image: ImageFacts) -> ImageFacts | None:
    """Return the facts of this kernel where KASLR has moved it; None if it is not in memory, or was not moved.

    Both places are random. The page tables of the running kernel map its build-id at the address where the kernel was
    linked, moved by a multiple of 2 MiB; where they map it to is its place in physical memory.
    """
    build_id = next((item for item in image.fingerprints if item.name == BUILD_ID), None)
    vaddr = None if build_id is None else image.to_vaddr(build_id.paddr)
    if build_id is None or vaddr is None or vaddr < KERNEL_HALF[image.elf_class]:
        return None
    for paging in _kernel_page_tables(target):
        for moved_by in range(0, _STEP * _STEPS, _STEP):
            with suppress(TargetError):
                paddr = walk(target.read_phys, paging, vaddr + moved_by).paddr
                if paddr is None or (paddr - build_id.paddr) % _STEP:
                    continue
                if target.read_phys(paddr, len(build_id.data)) == build_id.data:
                    is_moved = moved_by or paddr != build_id.paddr
                    return image.relocated(paddr - build_id.paddr, moved_by) if is_moved else None
    return None


def _kernel_page_tables(target: Target) -> Iterator[Paging]:
    with suppress(RegisterUnavailable):
        paging = Paging(*(target.register(name) for name in ("cr0", "cr3", "cr4", "efer")))
        if paging.on:
            yield paging
            yield paging._replace(cr3=paging.cr3 & ~_USER_TABLES)


def relocation_message(image: ImageFacts, original: ImageFacts) -> str:
    """Return the message for a kernel that KASLR has moved."""
    moved = image.segments[0].paddr - original.segments[0].paddr
    return (
        f"the kernel was relocated (KASLR): by {moved:#x} in physical and by {image.moved_by:#x} in virtual memory. "
        "To run it at its link addresses, boot it with nokaslr"
    )


def why_lacking(stage: Stage, target: Target, entry: int | None, *, is_mismatch: bool) -> str | None:
    """Return why this guest lacks a stage; None if it has the stage.

    `entry` is None if the entry address is not known. `is_mismatch`: another kernel than the kernel file is in memory.
    """
    if stage.lacking or stage.symbol is None:
        reason = ANOTHER_KERNEL if is_mismatch else "the entry address is not known"
        return stage.lacking or (None if entry is not None else reason)
    if is_mismatch:
        return ANOTHER_KERNEL
    try:
        target.symbol(stage.symbol)
    except SymbolMissing as error:
        return str(error)
    return None


def was_reset(target: Target, before: Mapping[str, int | None]) -> bool:
    """Return whether the machine was reset since it had the registers `before`."""
    turned_off = (before.get("cr0") or 0) & ~(cr0(target) or 0)
    return target.register("rip") == RESET_VECTOR or bool(turned_off & (CR0_PE | CR0_PG))


def is_loaded(target: Target, image: ImageFacts) -> bool | None:
    """Return whether guest memory contains this kernel.

    Return None if this is not known, or if a boot loader or Xen may load the kernel later.

    :raise TargetError: if the machine is gone.
    """
    found = matches(target, image)
    if found is False and (runs_on_xen(target) or not is_kernel_running(target, image)):
        return None
    return found


def matches(target: Target, image: ImageFacts) -> bool | None:
    """Return whether guest memory now contains this kernel; None if this is not known.

    :raise TargetError: if the machine is gone.
    """
    rip = target.register("rip")
    # A running kernel may overwrite its entry code, so compare that code only before the kernel runs.
    is_outside = image.to_vaddr(rip) is None and image.to_paddr(rip) is None
    fingerprints = (item for item in image.fingerprints if item.is_constant or is_outside or rip == image.entry)
    found = [_matches(target, fingerprint) for fingerprint in fingerprints]
    return True if True in found else False if False in found else None


def _matches(target: Target, fingerprint: Fingerprint) -> bool | None:
    """Return whether a fingerprint is in memory; None if the memory cannot be read."""
    with suppress(TargetError):
        return target.read_phys(fingerprint.paddr, len(fingerprint.data)) == fingerprint.data
    return None


def is_kernel_running(target: Target, image: ImageFacts) -> bool:
    """Return whether the CPU runs a kernel, or a program that a kernel has started. Boot loaders have then finished."""
    rip, control = target.register("rip"), cr0(target)
    if control is not None and not control & CR0_PE:
        return False
    if image.to_vaddr(rip) is not None:
        return True
    if rip in XEN:
        return False
    is_paging = bool((control or 0) & CR0_PG)
    return is_paging and (rip >= KERNEL_HALF[image.elf_class] or target.register("cs") & _USER_RING == _USER_RING)


def runs_on_xen(target: Target) -> bool:
    """Return whether the machine executes a Xen that uses SVM, or a guest of it. False if the target cannot tell."""
    is_on_xen = getattr(target, "is_on_xen", None)
    with suppress(TargetError):  # such as a process that gdb debugs, which is not a machine
        return is_on_xen is not None and bool(is_on_xen())
    return False


def cr0(target: Target) -> int | None:
    """Return the value of CR0; None if the gdb stub does not provide control registers."""
    with suppress(RegisterUnavailable):
        return target.register("cr0")
    return None


def is_paging(target: Target) -> bool:
    return bool((cr0(target) or 0) & CR0_PG)


def mismatch_message(image: ImageFacts) -> str:
    """Return the message for a kernel file that is not the kernel in memory."""
    return f"the kernel in memory is not {printable(image.path)}: {_differences(image.fingerprints)}"


def _differences(fingerprints: Sequence[Fingerprint]) -> str:
    return " and ".join(f"the bytes at {item.paddr:#x} are not its {item.name}" for item in fingerprints)
