"""Which stages count as passed in every state of the kernel's data, also in states that a whole boot does not show."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pvhdbg.boot.run.observed_calls import ObservedCall
from pvhdbg.boot.run.stage_detection import StageDetector
from pvhdbg.boot.stop.address import Addresses
from pvhdbg.target.recording import Recording
from tests import build
from tests.build import KERNEL_MAP, VARIABLES

if TYPE_CHECKING:
    from collections.abc import Mapping

ENTRY, PREPARE, BOOTPARAMS, KERNEL, E820 = 1, 2, 3, 4, 5
TEXT = KERNEL_MAP + 0x1000000
ONLINE, STACK = 0x32C1000, 0x3110000
FUNCTIONS = {
    name: TEXT + 0x1000 * number
    for number, name in enumerate(("xen_prepare_pvh", "start_kernel", "e820__memory_setup", "init"))
}
LOADER = 0x210
"""The offset of hdr.type_of_loader in struct boot_params."""


def guest(*filled: str, online: int = 0, entries: int = 0) -> build.Guest:
    """Return a guest in which these structures are filled in."""
    vm = build.linux_guest()
    build.page_tables(vm)
    vm.symbols = {name: KERNEL_MAP + paddr for name, paddr in {**VARIABLES, "__cpu_online_mask": ONLINE}.items()}
    vm.symbols |= FUNCTIONS
    for name in ("pvh_bootparams", "boot_params"):
        vm.put(VARIABLES[name] + LOADER, b"\xb0" if name in filled else b"\0")
    vm.put(ONLINE, bytes([online]))
    vm.put(VARIABLES["e820_table"], (KERNEL_MAP + build.TABLE).to_bytes(8, "little"))
    vm.put(build.TABLE, entries.to_bytes(4, "little"))
    vm.registers.update(rip=TEXT + 0x9000, rsp=KERNEL_MAP + STACK)
    return vm


def call_from(vm: build.Guest, *, has_returned: bool) -> ObservedCall:
    """Return a call whose return address is still on the stack, or is not."""
    call = ObservedCall(TEXT + 0x123, STACK + 0x100, KERNEL_MAP + STACK + 0x100)
    vm.put(call.slot_paddr, bytes(8) if has_returned else call.return_vaddr.to_bytes(8, "little"))
    return call


def passed(
    vm: build.Guest, location: str = "init+0x10", calls: Mapping[str, ObservedCall] | None = None, known: int = 0
) -> int:
    target = Recording(vm.memory.ranges(), vm.registers, vm.symbols)
    addresses = Addresses(target, vm.registers, vm.image)
    assert vm.image is not None
    return StageDetector(target, vm.image, addresses, location, calls or {}).count_passed(known)


@pytest.mark.parametrize(
    ("vm", "count"),
    [
        (guest(), ENTRY),
        (guest("pvh_bootparams"), PREPARE),
        (guest("boot_params"), BOOTPARAMS),
        (guest("pvh_bootparams", "boot_params"), BOOTPARAMS),
        (guest(online=1), KERNEL),
        (guest("boot_params", online=1), KERNEL),
        (guest(entries=1), E820),
        (guest("boot_params", online=1, entries=1), E820),
    ],
)
def test_the_last_structure_that_is_filled_in_shows_the_stage(vm: build.Guest, count: int) -> None:
    assert count == passed(vm)


@pytest.mark.parametrize(
    ("location", "count"),
    [
        ("xen_prepare_pvh+0x5", PREPARE),
        ("init_pvh_bootparams+0x5", PREPARE),
        ("xen_prepare_pvh", ENTRY),
        ("xen_prepare_pvh_other+0x5", ENTRY),
        ("startup_64", BOOTPARAMS),
        ("x86_64_start_kernel+0x5", BOOTPARAMS),
        ("start_kernel+0x5", KERNEL),
        ("start_kernel", ENTRY),
        ("", ENTRY),
    ],
)
def test_a_location_after_the_first_instruction_of_a_function_shows_the_stage(location: str, count: int) -> None:
    assert count == passed(guest(), location)


@pytest.mark.parametrize("symbol", ["pvh_start_xen", "pvh_start_64"])
def test_in_the_caller_of_xen_prepare_pvh_its_result_decides(symbol: str) -> None:
    assert ENTRY == passed(guest("boot_params"), f"{symbol}+0x10")
    assert BOOTPARAMS == passed(guest("pvh_bootparams"), f"{symbol}+0x10")


def test_at_the_first_instruction_of_e820_memory_setup_the_kernel_stage_has_passed() -> None:
    vm = guest()
    vm.registers["rip"] = FUNCTIONS["e820__memory_setup"]

    assert KERNEL == passed(vm, "e820__memory_setup")


@pytest.mark.parametrize(("has_returned", "count"), [(False, KERNEL), (True, E820)])
def test_inside_e820_memory_setup_its_table_is_not_finished(has_returned: bool, count: int) -> None:
    vm = guest(entries=5)
    call = call_from(vm, has_returned=has_returned)

    assert count == passed(vm, calls={"e820__memory_setup": call})


def test_a_call_of_e820_memory_setup_shows_the_kernel_stage_even_without_an_entry() -> None:
    vm = guest()

    assert KERNEL == passed(vm, calls={"e820__memory_setup": call_from(vm, has_returned=True)})


@pytest.mark.parametrize(("has_returned", "count"), [(False, PREPARE), (True, BOOTPARAMS)])
def test_inside_xen_prepare_pvh_its_result_is_not_finished(has_returned: bool, count: int) -> None:
    vm = guest("pvh_bootparams", "boot_params")
    call = call_from(vm, has_returned=has_returned)

    assert count == passed(vm, calls={"xen_prepare_pvh": call})


@pytest.mark.parametrize("symbol", ["__cpu_online_mask", "e820_table", "boot_params"])
def test_evidence_that_cannot_be_read_does_not_count_and_does_not_hide_other_evidence(symbol: str) -> None:
    vm = guest("pvh_bootparams")
    del vm.symbols[symbol]

    assert PREPARE == passed(vm)


@pytest.mark.parametrize(("known", "count"), [(0, 3), (2, 3), (3, 3), (4, 4), (5, 5)])
def test_stages_that_are_known_to_have_passed_stay_passed(known: int, count: int) -> None:
    assert count == passed(guest("boot_params"), known=known)


def test_before_the_kernel_runs_its_data_is_no_evidence() -> None:
    vm = guest("boot_params", online=1, entries=1)
    vm.registers.update(cr0=0x10, rip=0xFFF0)

    assert 0 == passed(vm)
    assert 2 == passed(vm, known=2)


@pytest.mark.parametrize(
    ("rsp", "has_returned"),
    [(-8, False), (0, False), (1, True), (8, True), (0x1000, True), (0x1001, False), (0x2000, False)],
)
def test_a_call_has_returned_if_rsp_is_closely_above_its_return_address(rsp: int, has_returned: bool) -> None:
    vm = guest()
    call = call_from(vm, has_returned=False)
    vm.registers["rsp"] = call.slot_vaddr + rsp

    assert has_returned == call.has_returned(Recording(vm.memory.ranges(), vm.registers, {}))


@pytest.mark.parametrize(("changed", "has_returned"), [(0, True), (3, True), (4, False)])
def test_a_call_has_returned_if_the_low_half_of_its_return_address_is_overwritten(
    changed: int, has_returned: bool
) -> None:
    """A 32-bit kernel's return address has only four bytes."""
    vm = guest()
    call = call_from(vm, has_returned=False)
    vm.put(call.slot_paddr + changed, b"\x55")

    assert has_returned == call.has_returned(Recording(vm.memory.ranges(), vm.registers, {}))
