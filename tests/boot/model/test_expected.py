from collections.abc import Sequence

import pytest

from pvhdbg.abi.boot_params import BootParams
from pvhdbg.boot.model.expected import expected_boot_params
from pvhdbg.boot.model.kernel_behavior import KernelBehavior
from pvhdbg.boot.model.predicted import BUG, OVERRUN, PAGE_FAULT, PredictedDeath
from pvhdbg.boot.stop.capture import Capture
from tests import build
from tests.boot.prepare_stop import (
    BLOB,
    CMDLINE,
    MEMMAP,
    MODLIST,
    RETURN,
    RFC,
    TEACHING,
    UPSTREAM,
    map_of,
    model,
    prepare_stop,
    with_memory,
)
from tests.build import ISA, MAP, RAMDISK, RAMDISK_SIZE, VARIABLES, Range


def params(entries: Sequence[Range], **fields: int | bytes) -> bytes:
    """Return a struct boot_params as init_pvh_bootparams leaves it, with some fields changed."""
    defaults: dict[str, int | bytes] = {
        "hdr__version": 0x20C,
        "hdr__type_of_loader": 0xB0,
        "hdr__ramdisk_image": RAMDISK,
        "hdr__ramdisk_size": RAMDISK_SIZE,
        "hdr__cmd_line_ptr": CMDLINE,
    }
    return build.boot_params(entries, **defaults | fields)


def long_params(entries: Sequence[Range], **fields: int | bytes) -> bytes:
    """Return the result of `params` with more entries than the table can hold."""
    raw = bytearray(params((), **fields))
    data = build.e820(entries)
    raw[BootParams.e820_table.offset :] = data[: BootParams.SIZE - BootParams.e820_table.offset].ljust(
        BootParams.SIZE - BootParams.e820_table.offset, b"\0"
    )
    return bytes(raw)


# The memmap table


def test_the_map_is_copied_unchanged_and_the_isa_range_is_added() -> None:
    assert params([*MAP, ISA]) == model(prepare_stop(), UPSTREAM).boot_params


def test_every_byte_is_known_if_the_kernels_behavior_is_known() -> None:
    expected = model(prepare_stop(), UPSTREAM)

    assert (b"\xff" * 4096, {}, b"", None) == (expected.known, expected.alternatives, expected.overrun, expected.death)


@pytest.mark.parametrize(("count", "entries"), [(1, 2), (125, 126), (126, 127), (127, 127), (128, 128)])
def test_the_isa_range_is_added_if_there_is_room_for_it(count: int, entries: int) -> None:
    table = map_of(count)
    expected = model(prepare_stop(table), UPSTREAM)

    assert params([*table, ISA][:entries]) == expected.boot_params


@pytest.mark.parametrize("count", [129, 168])
def test_a_map_that_is_too_long_overwrites_the_rest_of_the_structure(count: int) -> None:
    table = map_of(count)
    expected = model(prepare_stop(table), UPSTREAM)

    assert long_params(table, e820_entries=count) == expected.boot_params
    assert b"" == expected.overrun
    assert expected.death is None


@pytest.mark.parametrize("count", [169, 200, 255])
def test_a_map_of_more_than_168_entries_overflows_the_structure(count: int) -> None:
    table = map_of(count)
    expected = model(prepare_stop(table), UPSTREAM)

    assert long_params(table, e820_entries=count) == expected.boot_params
    assert build.e820(table)[4096 - 0x2D0 :] == expected.overrun
    assert expected.death is None


@pytest.mark.parametrize(("count", "copied"), [(256, 0), (260, 4), (511 + 127, 126)])
def test_the_count_is_truncated_to_a_byte_before_entries_are_copied(count: int, copied: int) -> None:
    table = map_of(count)

    assert params([*table[:copied], ISA]) == model(prepare_stop(table), UPSTREAM).boot_params


def test_addresses_are_truncated_to_32_bits() -> None:
    module = build.modlist((0x123456789A000, 0x1FFFFFFFF, 0, 0))
    capture = with_memory(prepare_stop(cmdline_paddr=0x2000000AB), MODLIST, module)

    assert (
        params([*MAP, ISA], hdr__cmd_line_ptr=0xAB, hdr__ramdisk_image=0x6789A000, hdr__ramdisk_size=0xFFFFFFFF)
        == model(capture, UPSTREAM).boot_params
    )


def test_without_modules_there_is_no_ramdisk() -> None:
    expected = model(prepare_stop(nr_modules=0, modlist_paddr=1 << 40), UPSTREAM)

    assert params([*MAP, ISA], hdr__ramdisk_image=0, hdr__ramdisk_size=0) == expected.boot_params


def test_acpi_rsdp_addr_is_set_by_kernels_that_set_it() -> None:
    expected = model(prepare_stop(rsdp_paddr=0xF5B20), UPSTREAM._replace(sets_rsdp=True))

    assert params([*MAP, ISA], acpi_rsdp_addr=0xF5B20) == expected.boot_params


def test_a_field_has_alternatives_if_the_behavior_cannot_be_probed() -> None:
    behavior = UPSTREAM._replace(sets_rsdp=None, versions=(0x20C, 0x212))
    expected = model(prepare_stop(rsdp_paddr=0xF5B20), behavior)

    assert {
        0x70: (bytes(8), (0xF5B20).to_bytes(8, "little")),
        0x206: (b"\x0c\x02", b"\x12\x02"),
    } == expected.alternatives


def test_a_xen_guest_has_xens_loader_type_and_unknown_screen_info() -> None:
    expected = model(prepare_stop(), UPSTREAM._replace(xen=True))

    assert params([*MAP, ISA], hdr__type_of_loader=0x90) == expected.boot_params
    assert bytes(0x40) == expected.known[:0x40]


def test_a_xen_guest_without_a_map_has_an_unknown_map() -> None:
    expected = model(prepare_stop(None), UPSTREAM._replace(xen=True))

    assert (0, bytes(0x1000 - 0x2D0), None) == (expected.known[0x1E8], expected.known[0x2D0:], expected.death)


def test_the_map_is_unknown_if_its_source_is_unknown() -> None:
    expected = model(prepare_stop(), KernelBehavior(xen=False))

    assert (0, bytes(0x1000 - 0x2D0), None) == (expected.known[0x1E8], expected.known[0x2D0:], expected.death)
    assert CMDLINE.to_bytes(4, "little") == expected.boot_params[0x228:0x22C]


def test_bytes_that_were_not_captured_are_unknown() -> None:
    capture = prepare_stop()
    expected = model(capture._replace(memory=tuple(block for block in capture.memory if block[0] > 0x100000)), UPSTREAM)

    assert (bytes(8), bytes(len(MAP) * 20)) == (
        expected.known[0x218:0x220],
        expected.known[0x2D0 : 0x2D0 + len(MAP) * 20],
    )
    assert build.e820([ISA]) == expected.boot_params[0x2D0 + len(MAP) * 20 :][:20]
    assert len(MAP) + 1 == expected.boot_params[0x1E8]


def test_without_a_start_info_nothing_is_expected() -> None:
    capture = prepare_stop()._replace(start_info=None, pvh_start_info=None)

    assert None is expected_boot_params(capture, UPSTREAM)


# The RFC's protocol


def test_the_rfc_kernel_takes_the_map_from_the_module() -> None:
    expected = model(prepare_stop(None, MAP), RFC)

    assert params([*MAP, ISA], hdr__version=0x212) == expected.boot_params
    assert b"\xff" * 4096 == expected.known


def test_the_rfc_kernel_ignores_the_memmap_table() -> None:
    assert params([ISA], hdr__version=0x212) == model(prepare_stop(MAP), RFC).boot_params


def test_the_rfc_kernel_ignores_the_version() -> None:
    expected = model(prepare_stop(None, MAP, version=77), RFC)

    assert params([*MAP, ISA], hdr__version=0x212) == expected.boot_params


@pytest.mark.parametrize("name", [b"e820 data ", b"e820 database", b"E820 data", b"e820", b"", b"initrd"])
def test_a_module_with_another_name_is_not_a_map(name: bytes) -> None:
    assert params([ISA], hdr__version=0x212) == model(prepare_stop(None, MAP, name), RFC).boot_params


def test_a_name_that_differs_before_the_end_of_what_was_captured_is_another_name() -> None:
    """Its first byte differs. The next bytes were not captured, because a string is read in chunks of 256 bytes."""
    module = build.modlist((BLOB, 4 + 20 * len(MAP), CMDLINE + 255, 0))
    capture = with_memory(prepare_stop(None, MAP), MODLIST + 32, module)
    death = model(capture, TEACHING).death

    assert params([ISA], hdr__version=0x212) == model(capture, RFC).boot_params
    assert (BUG, "start_info.version") == (death and death.kind, death and death.field)


def test_a_module_without_a_command_line_is_not_a_map() -> None:
    modules = build.modlist((RAMDISK, RAMDISK_SIZE, 0, 0), (BLOB, 4, 0, 0))
    expected = model(with_memory(prepare_stop(None, MAP), MODLIST, modules), RFC)

    assert params([ISA], hdr__version=0x212) == expected.boot_params


@pytest.mark.parametrize("count", [127, 128, 129, 200, 255])
def test_the_rfc_kernel_copies_up_to_255_entries_and_counts_them(count: int) -> None:
    expected = model(prepare_stop(None, map_of(count)), RFC)

    assert long_params(map_of(count), e820_entries=count, hdr__version=0x212) == expected.boot_params


def test_the_rfc_kernel_copies_all_entries_counts_mod_256_and_overwrites_one_with_the_isa_range() -> None:
    table = map_of(260)
    expected = model(prepare_stop(None, table), RFC)
    with_isa = [*table[:4], ISA, *table[5:]]

    assert long_params(with_isa, e820_entries=5, hdr__version=0x212) == expected.boot_params
    assert build.e820(table)[4096 - 0x2D0 :] == expected.overrun


def test_a_guest_with_both_protocols_prefers_the_memmap_table() -> None:
    assert params([*MAP, ISA]) == model(prepare_stop(MAP, map_of(3)), TEACHING).boot_params


def test_a_guest_with_both_protocols_takes_the_module_if_there_is_no_table() -> None:
    assert params([*map_of(3), ISA]) == model(prepare_stop(None, map_of(3)), TEACHING).boot_params


# Deaths


@pytest.mark.parametrize(
    ("capture", "behavior", "kind", "field"),
    [
        (prepare_stop(magic=0x41414141), UPSTREAM, BUG, "start_info.magic"),
        (prepare_stop(magic=0x41414141), RFC, BUG, "start_info.magic"),
        (prepare_stop(None), UPSTREAM, BUG, "start_info.version"),
        (prepare_stop(memmap_entries=0), UPSTREAM, BUG, "start_info.memmap_entries"),
        (prepare_stop(None, MAP), UPSTREAM, BUG, "start_info.version"),
        (prepare_stop(None, MAP, b"initrd"), TEACHING, BUG, "start_info.version"),
        (prepare_stop(memmap_paddr=0x40000000), UPSTREAM, PAGE_FAULT, "start_info.memmap_paddr"),
        (prepare_stop(memmap_paddr=0x40000000 - 60), UPSTREAM, PAGE_FAULT, "start_info.memmap_paddr"),
        (prepare_stop(memmap_paddr=0x40000000 - 5 * 24 - 19), UPSTREAM, PAGE_FAULT, "start_info.memmap_paddr"),
        (prepare_stop(modlist_paddr=0x40000000), UPSTREAM, PAGE_FAULT, "start_info.modlist_paddr"),
        (prepare_stop(None, MAP, modlist_paddr=0x40000000 - 32), RFC, PAGE_FAULT, "start_info.modlist_paddr"),
    ],
)
def test_a_predicted_death_names_the_field_at_fault(
    capture: Capture, behavior: KernelBehavior, kind: str, field: str
) -> None:
    death = model(capture, behavior).death

    assert (kind, field, True) == (death and death.kind, death and death.field, death and death.certain)


@pytest.mark.parametrize(
    ("capture", "behavior"),
    [
        (prepare_stop(memmap_entries=256, memmap_paddr=0x40000000), UPSTREAM),
        # The last 4 bytes of an entry are not read.
        (prepare_stop(memmap_paddr=0x40000000 - 5 * 24 - 20), UPSTREAM),
        (prepare_stop(memmap_paddr=0x40000000), RFC),
        (prepare_stop(memmap_paddr=0x40000000), UPSTREAM._replace(early=None)),
        (prepare_stop(cmdline_paddr=1 << 40, rsdp_paddr=1 << 41), UPSTREAM),
        (prepare_stop(flags=0xFFFFFFFF, reserved=1, version=2), UPSTREAM),
    ],
)
def test_pointers_that_the_kernel_does_not_follow_kill_no_guest(capture: Capture, behavior: KernelBehavior) -> None:
    assert None is model(capture, behavior).death


def test_nothing_is_known_after_a_certain_death() -> None:
    expected = model(prepare_stop(None), UPSTREAM)

    assert (bytes(4096), bytes(4096), {}) == (expected.boot_params, expected.known, expected.alternatives)


def test_a_map_that_overwrites_the_stack_kills_the_rfc_kernel() -> None:
    reaches_stack = (RETURN + 8 - VARIABLES["pvh_bootparams"] - 0x2D0 + 19) // 20
    near_stack = (RETURN - 256 - VARIABLES["pvh_bootparams"] - 0x2D0) // 20
    short_of_stack = (RETURN - 1024 - VARIABLES["pvh_bootparams"] - 0x2D0) // 20
    counts = (reaches_stack, near_stack, short_of_stack)
    deaths = [model(prepare_stop(None, map_of(count)), RFC).death for count in counts]

    assert [(OVERRUN, True), (OVERRUN, False), None] == [death and (death.kind, death.certain) for death in deaths]


CANARY, LOADS_CANARY = 0x310E340, bytes.fromhex("4156 4154 6548 8b04 2528 0000 00")
"""The base of GS in Linux 6.1, and the first instructions of its xen_prepare_pvh."""


def guarded(count: int, code: bytes = LOADS_CANARY, gs_base: int = CANARY) -> Capture:
    capture = with_memory(prepare_stop(map_of(count)), 0x305A1FF, code.ljust(64, b"\x90"))
    return capture._replace(registers={**capture.registers, "gs_base": gs_base, "rip": 0xFFFFFFFF8305A1FF})


def test_a_map_that_overwrites_the_canary_ends_in_a_panic() -> None:
    deaths = [model(guarded(count), UPSTREAM).death for count in (172, 173, 255)]

    assert [None, (OVERRUN, True), (OVERRUN, True)] == [death and (death.kind, death.certain) for death in deaths]


def test_a_death_by_the_canary_is_uncertain_if_the_code_does_not_load_it() -> None:
    assert (OVERRUN, False) == verdict(guarded(255, b""))


def test_a_canary_that_stays_zero_or_is_elsewhere_causes_no_death() -> None:
    assert None is verdict(with_memory(guarded(255), MEMMAP, bytes(24 * 255)))
    assert None is verdict(guarded(255, gs_base=0))


def verdict(capture: Capture) -> tuple[str, bool] | None:
    death = model(capture, UPSTREAM).death
    return death and (death.kind, death.certain)


def test_a_long_overrun_is_a_possible_death_if_the_stack_is_unknown() -> None:
    capture = prepare_stop(None, map_of(300))._replace(symbols={})
    death = model(capture, RFC).death

    assert (OVERRUN, False) == (death and death.kind, death and death.certain)


def test_a_count_of_all_ones_ends_in_a_page_fault() -> None:
    death = model(with_memory(prepare_stop(None, MAP), BLOB, b"\xff" * 4), RFC).death

    assert (
        PredictedDeath(
            PAGE_FAULT,
            "the kernel reads the map of 4294967295 entries at 0x20000-0x140001fff0, but its early page tables end at "
            "0x40000000",
            "memory_map.nr_entries",
        )
        == death
    )
