"""Compare the kernel file with the kernel in guest memory."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from pvhdbg.abi.cpu import CR0_PE, CR0_PG
from pvhdbg.abi.text import printable
from pvhdbg.errors import RegisterUnavailable, SymbolMissing, TargetError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pvhdbg.image.facts import ImageFacts
    from pvhdbg.image.fingerprints import Fingerprint
    from pvhdbg.target.base import Target

ANOTHER_KERNEL = "another kernel is in memory"
KERNEL_HALF = {32: 0xC0000000, 64: 1 << 63}
"""The lowest address of kernel space, by ELF class."""
_USER_RING = 3


class WithoutSymbols:
    """A Target without symbols, for a machine that runs another kernel than the one with the known symbols."""

    def __init__(self, target: Target) -> None:
        self.read_phys = target.read_phys
        self.register = target.register
        if hasattr(target, "write_phys"):
            self.write_phys = target.write_phys

    def symbol(self, name: str) -> int:
        raise SymbolMissing(name, ANOTHER_KERNEL)


def is_loaded(target: Target, image: ImageFacts) -> bool | None:
    """Return whether guest memory contains this kernel.

    Return None if this is not known, or if a boot loader may load the kernel later.

    :raise TargetError: if the machine is gone.
    """
    rip = target.register("rip")
    # A running kernel may overwrite its entry code, so compare that code only before the kernel runs.
    is_outside = image.to_vaddr(rip) is None and image.to_paddr(rip) is None
    fingerprints = (item for item in image.fingerprints if item.is_constant or is_outside or rip == image.entry)
    matches = [_matches(target, fingerprint) for fingerprint in fingerprints]
    if True in matches:
        return True
    return False if False in matches and is_kernel_running(target, image) else None


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
    is_paging = bool((control or 0) & CR0_PG)
    return is_paging and (rip >= KERNEL_HALF[image.elf_class] or target.register("cs") & _USER_RING == _USER_RING)


def cr0(target: Target) -> int | None:
    """Return the value of CR0; None if the gdb stub does not provide control registers."""
    with suppress(RegisterUnavailable):
        return target.register("cr0")
    return None


def mismatch_message(image: ImageFacts) -> str:
    """Return the message for a kernel file that is not the kernel in memory."""
    return f"the kernel in memory is not {printable(image.path)}: {_differences(image.fingerprints)}"


def _differences(fingerprints: Sequence[Fingerprint]) -> str:
    return " and ".join(f"the bytes at {item.paddr:#x} are not its {item.name}" for item in fingerprints)
