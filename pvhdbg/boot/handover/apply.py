"""Write a handover to a machine that is at its entry, and run the trampoline."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from pvhdbg.abi.alignment import align_up
from pvhdbg.boot.handover import trampoline
from pvhdbg.boot.handover.handover import HandedOver, Handover
from pvhdbg.boot.stop import ranges, regions
from pvhdbg.errors import MachineError, UserError
from pvhdbg.target.absent import AbsentMemory
from pvhdbg.target.base import HIT, TIMEOUT, TRIPLE_FAULT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pvhdbg.boot.handover.handover import HandoverSource
    from pvhdbg.boot.handover.trampoline import Trampoline
    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.boot.stop.ranges import AddressRange
    from pvhdbg.errors import PvhdbgError
    from pvhdbg.image.facts import ImageFacts
    from pvhdbg.target.base import ControllableTarget, Halt, Runner, Target, WritableTarget

_CONVENTIONAL_RAM = (0x1000, 0x9F000)
_TIMEOUT, _BYTES_IN_SECOND = 30.0, 4 << 20
"""How long the trampoline may take, in seconds: this, and what it needs to move bytes on a slow computer."""


def hand_over(
    target: Target, runner: Runner, image: ImageFacts | None, entry: Capture, source: HandoverSource
) -> HandedOver:
    """Hand over what `source` makes, and return it. `target` is a ControllableTarget at its entry, before and after.

    :raise PvhdbgError: if this handover is not possible.
    """
    handover = source.handover(target, entry, image)
    apply(cast("ControllableTarget", target), runner, image, handover)
    return HandedOver(handover, source.facts, _hide(cast("WritableTarget", target), runner, handover))


def _hide(target: WritableTarget, runner: Runner, handover: Handover) -> AbsentMemory | None:
    """Hide the memory that the VMM does not have, as far as the Runner can."""
    hide = getattr(runner, "hide", None)
    if handover.absent is None or hide is None:
        return None
    absent = AbsentMemory(target, *handover.absent)
    hide(absent)
    return absent


def apply(target: ControllableTarget, runner: Runner, image: ImageFacts | None, handover: Handover) -> None:
    """Write the handover, and run the trampoline. The machine is at its entry before and after.

    :raise UserError: if there is no room for the trampoline, or the CPU does not accept the state.
    :raise MachineError: if the trampoline does not reach the entry for another reason.
    """
    entry = target.register("rip")
    paddr = _free_page(image, handover)
    page = (paddr, paddr + trampoline.SIZE)
    before = target.read_phys(paddr, trampoline.SIZE)
    is_cleared = ranges.holds(ranges.union(handover.cleared), *page)
    cleared = tuple(ranges.minus(handover.cleared, [page]))
    steps = trampoline.assemble(handover._replace(cleared=cleared), paddr, entry)
    target.write_phys(paddr, steps.page)
    target.write_register("rip", steps.start)
    if halt := _run(runner, steps.moved, sum(move.size for move in handover.moves) / _BYTES_IN_SECOND):
        raise _failure(halt, handover, is_moved=False)
    for placed in handover.placed:
        target.write_phys(placed.paddr, placed.data)
    if steps.selectors:
        if halt := _run(runner, steps.selected):
            raise _failure(halt, handover, is_moved=True)
        _select(target, steps)
    if halt := _run(runner, entry):
        raise _failure(halt, handover, is_moved=True)
    target.write_phys(paddr, bytes(trampoline.SIZE) if is_cleared else before)


def _select(target: ControllableTarget, steps: Trampoline) -> None:
    """Set selectors whose descriptor is elsewhere in the GDT. QEMU's stub takes the hidden state from the GDT."""
    for name, segment in steps.selectors:
        target.write_phys(steps.first_descriptor + (segment.selector & ~7), segment.descriptor.to_bytes(8, "little"))
        target.write_register(name, segment.selector)


def _run(runner: Runner, address: int, more_time: float = 0.0) -> Halt | None:
    """Run to an address. Return None if it was reached, otherwise how the guest stopped."""
    halt = runner.run_to([address], _TIMEOUT + more_time)
    return None if halt.kind == HIT else halt


def _failure(halt: Halt, handover: Handover, *, is_moved: bool) -> PvhdbgError:
    """Return the error for a trampoline that did not reach its next address. QEMU 7.2 hangs at some values of CR4."""
    if is_moved and (halt.kind == TIMEOUT or halt.how == TRIPLE_FAULT):
        cpu = handover.cpu
        state = f"CR0 {cpu.cr0:#x}, CR4 {cpu.cr4:#x}, EFER {cpu.efer:#x}"
        return UserError(f"the CPU does not accept the state of the handover: {state}", "choose another CPU with --cpu")
    return MachineError(f"the handover failed: {halt.message or halt.kind}", "use QEMU's own handover")


def _free_page(image: ImageFacts | None, handover: Handover) -> int:
    """Return the address of a page below 640 KiB that nothing needs.

    :raise UserError: if there is none.
    """
    for start, end in ranges.minus([_CONVENTIONAL_RAM], _used(image, handover)):
        paddr = align_up(start, trampoline.SIZE)
        if paddr + trampoline.SIZE <= end:
            return paddr
    raise UserError("no free page below 640 KiB for the code that sets the CPU state", "use QEMU's own handover")


def _used(image: ImageFacts | None, handover: Handover) -> Iterator[AddressRange]:
    yield from ((region.start, region.end) for region in regions.kernel(image))
    yield from ((placed.paddr, placed.paddr + len(placed.data)) for placed in handover.placed)
    for move in handover.moves:
        yield move.source, move.source + move.size
        yield move.paddr, move.paddr + move.size
