from collections.abc import Sequence

import pytest

from pvhdbg.abi.boot_params import BootParams
from pvhdbg.boot.model.expected import expected_boot_params
from pvhdbg.boot.model.kernel_behavior import KernelBehavior
from pvhdbg.boot.model.predicted import BUG, OVERRUN, PAGE_FAULT, PredictedDeath
from pvhdbg.boot.stop.capture import Capture
from tests import build
from tests.boot.handed import (
    BLOB,
    CMDLINE,
    MEMMAP,
    MODLIST,
    RETURN,
    RFC,
    TEACHING,
    UPSTREAM,
    handed,
    model,
    overlaid,
    ranges,
)
from tests.build import ISA, MAP, RAMDISK, RAMDISK_SIZE, VARIABLES, Range


def params(entries: Sequence[Range], **fields: int | bytes) -> bytes:
    """A struct boot_params as init_pvh_bootparams leaves it, but for what is given."""
    usual: dict[str, int | bytes] = {
        "hdr__version": 0x20C,
        "hdr__type_of_loader": 0xB0,
        "hdr__ramdisk_image": RAMDISK,
        "hdr__ramdisk_size": RAMDISK_SIZE,
        "hdr__cmd_line_ptr": CMDLINE,
    }
    return build.boot_params(entries, **usual | fields)


def long_params(entries: Sequence[Range], **fields: int | bytes) -> bytes:
    """The same with more entries than the table has room for."""
    raw = bytearray(params((), **fields))
    data = build.e820(entries)
    raw[BootParams.e820_table.offset :] = data[: BootParams.SIZE - BootParams.e820_table.offset].ljust(
        BootParams.SIZE - BootParams.e820_table.offset, b"\0"
    )
    return bytes(raw)


# Today's protocol


def test_the_map_is_copied_as_it_stands_and_the_isa_range_added() -> None:
    assert params([*MAP, ISA]) == model(handed(), UPSTREAM).boot_params


def test_every_byte_is_known_of_a_kernel_whose_rules_are() -> None:
    made = model(handed(), UPSTREAM)

    assert (b"\xff" * 4096, {}, b"", None) == (made.known, made.alternatives, made.overrun, made.death)


@pytest.mark.parametrize(("count", "entries"), [(1, 2), (125, 126), (126, 127), (127, 127), (128, 128)])
def test_the_isa_range_is_added_where_there_is_room_for_it(count: int, entries: int) -> None:
    table = ranges(count)
    made = model(handed(table), UPSTREAM)

    assert params([*table, ISA][:entries]) == made.boot_params


@pytest.mark.parametrize("count", [129, 168])
def test_a_map_that_is_too_long_runs_over_the_rest_of_the_structure(count: int) -> None:
    table = ranges(count)
    made = model(handed(table), UPSTREAM)

    assert long_params(table, e820_entries=count) == made.boot_params
    assert b"" == made.overrun
    assert made.death is None


@pytest.mark.parametrize("count", [169, 200, 255])
def test_a_map_of_more_than_168_entries_leaves_the_structure(count: int) -> None:
    table = ranges(count)
    made = model(handed(table), UPSTREAM)

    assert long_params(table, e820_entries=count) == made.boot_params
    assert build.e820(table)[4096 - 0x2D0 :] == made.overrun
    assert made.death is None


@pytest.mark.parametrize(("count", "taken"), [(256, 0), (260, 4), (511 + 127, 126)])
def test_the_count_is_cut_to_a_byte_before_anything_is_copied(count: int, taken: int) -> None:
    table = ranges(count)

    assert params([*table[:taken], ISA]) == model(handed(table), UPSTREAM).boot_params


def test_addresses_lose_their_high_half() -> None:
    module = build.modlist((0x123456789A000, 0x1FFFFFFFF, 0, 0))
    seen = overlaid(handed(cmdline_paddr=0x2000000AB), MODLIST, module)

    assert (
        params([*MAP, ISA], hdr__cmd_line_ptr=0xAB, hdr__ramdisk_image=0x6789A000, hdr__ramdisk_size=0xFFFFFFFF)
        == model(seen, UPSTREAM).boot_params
    )


def test_without_modules_there_is_no_ramdisk() -> None:
    made = model(handed(nr_modules=0, modlist_paddr=1 << 40), UPSTREAM)

    assert params([*MAP, ISA], hdr__ramdisk_image=0, hdr__ramdisk_size=0) == made.boot_params


def test_a_kernel_that_sets_it_has_the_rsdp_in_boot_params() -> None:
    made = model(handed(rsdp_paddr=0xF5B20), UPSTREAM._replace(sets_rsdp=True))

    assert params([*MAP, ISA], acpi_rsdp_addr=0xF5B20) == made.boot_params


def test_what_cannot_be_probed_is_one_of_several_values() -> None:
    rules = UPSTREAM._replace(sets_rsdp=None, versions=(0x20C, 0x212))
    made = model(handed(rsdp_paddr=0xF5B20), rules)

    assert {
        0x70: (bytes(8), (0xF5B20).to_bytes(8, "little")),
        0x206: (b"\x0c\x02", b"\x12\x02"),
    } == made.alternatives


def test_a_xen_guest_has_xens_loader_and_its_screen_is_not_known() -> None:
    made = model(handed(), UPSTREAM._replace(xen=True))

    assert params([*MAP, ISA], hdr__type_of_loader=0x90) == made.boot_params
    assert bytes(0x40) == made.known[:0x40]


def test_a_xen_guest_without_a_map_asks_the_hypervisor() -> None:
    made = model(handed(None), UPSTREAM._replace(xen=True))

    assert (0, bytes(0x1000 - 0x2D0), None) == (made.known[0x1E8], made.known[0x2D0:], made.death)


def test_where_the_map_comes_from_may_be_unknown() -> None:
    made = model(handed(), KernelBehavior(xen=False))

    assert (0, bytes(0x1000 - 0x2D0), None) == (made.known[0x1E8], made.known[0x2D0:], made.death)
    assert CMDLINE.to_bytes(4, "little") == made.boot_params[0x228:0x22C]


def test_what_was_not_read_is_not_known() -> None:
    seen = handed()
    made = model(seen._replace(memory=tuple(each for each in seen.memory if each[0] > 0x100000)), UPSTREAM)

    assert (bytes(8), bytes(len(MAP) * 20)) == (made.known[0x218:0x220], made.known[0x2D0 : 0x2D0 + len(MAP) * 20])
    assert build.e820([ISA]) == made.boot_params[0x2D0 + len(MAP) * 20 :][:20]
    assert len(MAP) + 1 == made.boot_params[0x1E8]


def test_without_a_start_info_there_is_nothing_to_expect() -> None:
    seen = handed()._replace(start_info=None, pvh_start_info=None)

    assert None is expected_boot_params(seen, UPSTREAM)


# The RFC's protocol


def test_the_rfc_takes_the_map_from_the_module() -> None:
    made = model(handed(None, MAP), RFC)

    assert params([*MAP, ISA], hdr__version=0x212) == made.boot_params
    assert b"\xff" * 4096 == made.known


def test_the_rfc_does_not_look_at_the_table_of_today() -> None:
    assert params([ISA], hdr__version=0x212) == model(handed(MAP), RFC).boot_params


def test_the_rfc_ignores_the_version() -> None:
    made = model(handed(None, MAP, version=77), RFC)

    assert params([*MAP, ISA], hdr__version=0x212) == made.boot_params


@pytest.mark.parametrize("name", [b"e820 data ", b"e820 database", b"E820 data", b"e820", b"", b"initrd"])
def test_a_module_with_another_name_is_no_map(name: bytes) -> None:
    assert params([ISA], hdr__version=0x212) == model(handed(None, MAP, name), RFC).boot_params


def test_a_name_that_ends_where_reading_ended_is_another_name() -> None:
    """Strings are read up to a multiple of 256 and no further than their NUL."""
    module = build.modlist((BLOB, 4 + 20 * len(MAP), CMDLINE + 255, 0))
    seen = overlaid(handed(None, MAP), MODLIST + 32, module)
    death = model(seen, TEACHING).death

    assert params([ISA], hdr__version=0x212) == model(seen, RFC).boot_params
    assert (BUG, "start_info.version") == (death and death.kind, death and death.field)


def test_a_module_without_a_name_is_no_map() -> None:
    modules = build.modlist((RAMDISK, RAMDISK_SIZE, 0, 0), (BLOB, 4, 0, 0))
    made = model(overlaid(handed(None, MAP), MODLIST, modules), RFC)

    assert params([ISA], hdr__version=0x212) == made.boot_params


@pytest.mark.parametrize("count", [127, 128, 129, 200, 255])
def test_the_rfc_counts_in_a_byte(count: int) -> None:
    made = model(handed(None, ranges(count)), RFC)

    assert long_params(ranges(count), e820_entries=count, hdr__version=0x212) == made.boot_params


def test_the_rfc_copies_what_it_does_not_count_and_the_isa_range_is_put_over_it() -> None:
    table = ranges(260)
    made = model(handed(None, table), RFC)
    with_isa = [*table[:4], ISA, *table[5:]]

    assert long_params(with_isa, e820_entries=5, hdr__version=0x212) == made.boot_params
    assert build.e820(table)[4096 - 0x2D0 :] == made.overrun


def test_a_guest_that_knows_both_protocols_prefers_todays() -> None:
    assert params([*MAP, ISA]) == model(handed(MAP, ranges(3)), TEACHING).boot_params


def test_a_guest_that_knows_both_protocols_takes_the_module_where_there_is_no_table() -> None:
    assert params([*ranges(3), ISA]) == model(handed(None, ranges(3)), TEACHING).boot_params


# Deaths


@pytest.mark.parametrize(
    ("seen", "rules", "kind", "field"),
    [
        (handed(magic=0x41414141), UPSTREAM, BUG, "start_info.magic"),
        (handed(magic=0x41414141), RFC, BUG, "start_info.magic"),
        (handed(None), UPSTREAM, BUG, "start_info.version"),
        (handed(memmap_entries=0), UPSTREAM, BUG, "start_info.memmap_entries"),
        (handed(None, MAP), UPSTREAM, BUG, "start_info.version"),
        (handed(None, MAP, b"initrd"), TEACHING, BUG, "start_info.version"),
        (handed(memmap_paddr=0x40000000), UPSTREAM, PAGE_FAULT, "start_info.memmap_paddr"),
        (handed(memmap_paddr=0x40000000 - 60), UPSTREAM, PAGE_FAULT, "start_info.memmap_paddr"),
        (handed(modlist_paddr=0x40000000), UPSTREAM, PAGE_FAULT, "start_info.modlist_paddr"),
        (handed(None, MAP, modlist_paddr=0x40000000 - 32), RFC, PAGE_FAULT, "start_info.modlist_paddr"),
    ],
)
def test_a_death_is_predicted_with_what_is_to_blame(
    seen: Capture, rules: KernelBehavior, kind: str, field: str
) -> None:
    death = model(seen, rules).death

    assert (kind, field, True) == (death and death.kind, death and death.field, death and death.certain)


@pytest.mark.parametrize(
    ("seen", "rules"),
    [
        (handed(memmap_entries=256, memmap_paddr=0x40000000), UPSTREAM),
        (handed(memmap_paddr=0x40000000), RFC),
        (handed(memmap_paddr=0x40000000), UPSTREAM._replace(early=None)),
        (handed(cmdline_paddr=1 << 40, rsdp_paddr=1 << 41), UPSTREAM),
        (handed(flags=0xFFFFFFFF, reserved=1, version=2), UPSTREAM),
    ],
)
def test_what_is_not_followed_kills_nobody(seen: Capture, rules: KernelBehavior) -> None:
    assert None is model(seen, rules).death


def test_nothing_is_known_after_a_certain_death() -> None:
    made = model(handed(None), UPSTREAM)

    assert (bytes(4096), bytes(4096), {}) == (made.boot_params, made.known, made.alternatives)


def test_a_count_that_runs_over_the_stack_kills_the_rfcs_kernel() -> None:
    to_the_stack = (RETURN + 8 - VARIABLES["pvh_bootparams"] - 0x2D0 + 19) // 20
    near_it = (RETURN - 256 - VARIABLES["pvh_bootparams"] - 0x2D0) // 20
    short_of_it = (RETURN - 1024 - VARIABLES["pvh_bootparams"] - 0x2D0) // 20
    deaths = [model(handed(None, ranges(count)), RFC).death for count in (to_the_stack, near_it, short_of_it)]

    assert [(OVERRUN, True), (OVERRUN, False), None] == [death and (death.kind, death.certain) for death in deaths]


CANARY, TAKES_IT = 0x310E340, bytes.fromhex("4156 4154 6548 8b04 2528 0000 00")
"""Where GS leads in 6.1, and what its xen_prepare_pvh begins with."""


def guarded(count: int, code: bytes = TAKES_IT, gs_base: int = CANARY) -> Capture:
    seen = overlaid(handed(ranges(count)), 0x305A1FF, code.ljust(64, b"\x90"))
    return seen._replace(registers={**seen.registers, "gs_base": gs_base, "rip": 0xFFFFFFFF8305A1FF})


def test_a_map_that_runs_over_the_canary_ends_in_a_panic() -> None:
    deaths = [model(guarded(count), UPSTREAM).death for count in (172, 173, 255)]

    assert [None, (OVERRUN, True), (OVERRUN, True)] == [death and (death.kind, death.certain) for death in deaths]


def test_whether_a_function_looks_at_the_canary_shows_in_its_code() -> None:
    assert (OVERRUN, False) == verdict(guarded(255, b""))


def test_a_canary_that_stays_zero_or_lies_elsewhere_harms_nobody() -> None:
    assert None is verdict(overlaid(guarded(255), MEMMAP, bytes(24 * 255)))
    assert None is verdict(guarded(255, gs_base=0))


def verdict(seen: Capture) -> tuple[str, bool] | None:
    death = model(seen, UPSTREAM).death
    return death and (death.kind, death.certain)


def test_where_the_stack_is_not_known_a_long_overrun_may_be_a_death() -> None:
    seen = handed(None, ranges(300))._replace(symbols={})
    death = model(seen, RFC).death

    assert (OVERRUN, False) == (death and death.kind, death and death.certain)


def test_a_count_of_all_ones_ends_in_a_fault() -> None:
    death = model(overlaid(handed(None, MAP), BLOB, b"\xff" * 4), RFC).death

    assert (
        PredictedDeath(
            PAGE_FAULT,
            "what is read of the map of 4294967295 entries, 0x20000-0x140001fff0, is not all below 0x40000000, where "
            "the kernel's early page tables end",
            "memory_map.nr_entries",
        )
        == death
    )
