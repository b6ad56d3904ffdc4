"""Whether the kernel whose file is known is the one in guest memory."""

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
_USER = 3


class WithoutSymbols:
    """A machine whose kernel is not the one that the known symbols are of: it has none."""

    def __init__(self, target: Target) -> None:
        self.read_phys = target.read_phys
        self.register = target.register
        if hasattr(target, "write_phys"):
            self.write_phys = target.write_phys

    def symbol(self, name: str) -> int:
        raise SymbolMissing(name, ANOTHER_KERNEL)


def is_loaded(target: Target, image: ImageFacts) -> bool | None:
    """Whether memory holds this kernel; null where that can't be told, or while a loader may still bring it.

    :raise TargetError: if the machine has gone.
    """
    rip = target.register("rip")
    is_out = not _is_inside(image, rip)
    found = [each for each in image.fingerprints if each.is_constant or is_out or rip == image.entry]
    equal = [_is_there(target, each) for each in found]
    if True in equal:
        return True
    return False if False in equal and is_entered(target, image) else None


def _is_there(target: Target, fingerprint: Fingerprint) -> bool | None:
    with suppress(TargetError):
        return target.read_phys(fingerprint.paddr, len(fingerprint.data)) == fingerprint.data
    return None


def _is_inside(image: ImageFacts, rip: int) -> bool:
    return image.linked(rip) is not None or image.physical(rip) is not None


def is_entered(target: Target, image: ImageFacts) -> bool:
    """Whether the CPU is in a kernel, or in a program that one has started: what came before it is done."""
    rip, cr0 = target.register("rip"), cr0_of(target)
    if cr0 is not None and not cr0 & CR0_PE:
        return False
    if image.linked(rip) is not None:
        return True
    return bool((cr0 or 0) & CR0_PG) and (rip >= KERNEL_HALF[image.elf_class] or target.register("cs") & _USER == _USER)


def cr0_of(target: Target) -> int | None:
    """Null for a stub without control registers."""
    with suppress(RegisterUnavailable):
        return target.register("cr0")
    return None


def words(image: ImageFacts) -> str:
    """What to say where it is not loaded."""
    return f"the kernel in memory is not {printable(image.path)}: {_differing(image.fingerprints)}"


def _differing(fingerprints: Sequence[Fingerprint]) -> str:
    places = " and ".join(f"at {each.paddr:#x} is not its {each.name}" for each in fingerprints)
    return f"what lies {places}"
