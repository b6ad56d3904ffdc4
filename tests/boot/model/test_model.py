"""The model against real kernels: what it predicts of a boot is what each of them makes of it."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from pvhdbg import guest
from pvhdbg.boot.model.predicted import BUG, OVERRUN, PAGE_FAULT
from pvhdbg.boot.stop.protocols import E820_MODULE, MEMMAP, NO_MAP, V0
from tests import build
from tests.boot import mutations
from tests.boot.laboratory import BLANK, Experiment, Range, experiment
from tests.kernels import MissingError

MACHINES = ("microvm", "pc", "q35")
LONG = ("6.1", "6.12")
UPSTREAM = (*LONG, "6.1-686")
ALL = ("teaching", "rfc", *UPSTREAM)

FALLBACK = [(0, 0x9F000, 1)]
AT_BLANK = f"start_info.memmap_paddr={BLANK:#x}"


def image(name: str) -> Path:
    try:
        return mutations.KERNELS[name]()
    except MissingError as error:
        pytest.skip(str(error))


def booted(name: str, *changes: str, machine: str = "microvm", initrd: str | None = None) -> Experiment:
    return experiment(image(name), changes, machine=machine, initrd=initrd)


def long_map(count: int) -> list[Range]:
    """Enough memory to live on, and then a range in each 16 MiB above 64 GiB."""
    ram: list[Range] = [(0, 0x9F000, 1), (0x100000, 0x1FF00000, 1)]
    return [*ram, *(((1 << 36) + (index << 24), 0x1000 + index, 1 + index % 5) for index in range(2, count))][:count]


def with_table(name: str, count: int, *, last: str = "e820", timeout: float = 60.0) -> Experiment:
    """A boot with a memmap table of `count` entries."""
    changes = (AT_BLANK, f"start_info.memmap_entries={count}")
    puts = [(BLANK, build.memmap(long_map(count)))]
    return experiment(image(name), changes, puts=puts, last=last, timeout=timeout)


def with_module(name: str, count: int, *, claimed: int | None = None) -> Experiment:
    """A boot with an "e820 data" module of `count` entries that claims another number."""
    blob = (claimed or count).to_bytes(4, "little") + build.e820(long_map(count))
    return experiment(image(name), (E820_MODULE, f"modules[1].paddr={BLANK:#x}"), puts=[(BLANK, blob)])


def test_of_an_untouched_boot_every_byte_is_as_predicted_but_for_the_version_that_is_one_of_two() -> None:
    seen = booted("teaching")

    assert None is seen.complaint()
    assert {0x206: (b"\x0c\x02", b"\x12\x02")} == seen.wanted.alternatives
    assert [0x206, 0x207] == [at for at, known in enumerate(seen.wanted.known) if not known]


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("name", ALL)
def test_an_untouched_boot_is_as_predicted_down_to_the_sanitised_table(name: str, machine: str, initrd: Path) -> None:
    seen = booted(name, machine=machine, initrd=str(initrd))

    assert (None, True) == (seen.complaint(), "e820" in seen.stops)
    assert seen.tables[0] == seen.tables[1]


def test_the_rfcs_kernel_ignores_todays_map_and_makes_do_with_low_memory() -> None:
    seen = booted("rfc")

    assert (None, FALLBACK) == (seen.complaint(), seen.tables[1])


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("name", ["teaching", "rfc"])
def test_the_rfcs_protocol_gives_the_map_that_the_vmm_had(name: str, machine: str) -> None:
    today, then = booted("teaching", machine=machine), booted(name, E820_MODULE, machine=machine)

    assert None is then.complaint()
    assert today.tables[1] == then.tables[1]


@pytest.mark.parametrize("name", ["teaching", *UPSTREAM])
def test_there_and_back_again_is_as_before(name: str) -> None:
    before, after = booted(name), booted(name, E820_MODULE, MEMMAP)

    assert (None, before.tables[1]) == (after.complaint(), after.tables[1])


def test_the_entry_stop_shows_what_was_changed() -> None:
    seen = booted("teaching", V0).stops["entry"]

    assert (0, NO_MAP) == (seen.start_info and seen.start_info.version, seen.memory_map and seen.memory_map.protocol)


@pytest.mark.parametrize("name", ["teaching", *UPSTREAM])
@pytest.mark.parametrize("count", [1, 126, 127, 128, 129, 168, 169, 256, 257])
def test_a_table_of_any_length_is_taken_as_predicted(name: str, count: int) -> None:
    seen = with_table(name, count)

    assert (None, True) == (seen.complaint(), "e820" in seen.stops)


@pytest.mark.parametrize("name", ["teaching", "rfc"])
@pytest.mark.parametrize("count", [1, 127, 128, 129, 132, 168, 169, 255, 256, 260])
def test_a_module_of_any_length_is_taken_as_predicted(name: str, count: int) -> None:
    seen = with_module(name, count)

    assert (None, True) == (seen.complaint(), "e820" in seen.stops)


@pytest.mark.parametrize("name", ["e820 data ", "e820 dat", "E820 data", ""])
def test_another_name_is_no_map_to_the_rfcs_kernel(name: str) -> None:
    seen = booted("rfc", E820_MODULE, f'modules[1].cmdline="{name}"')

    assert (None, FALLBACK) == (seen.complaint(), seen.tables[1])


@pytest.mark.parametrize("name", ALL)
def test_high_halves_and_what_is_not_followed_are_as_predicted(name: str) -> None:
    seen = booted(
        name,
        E820_MODULE if name == "rfc" else MEMMAP,
        "start_info.cmdline_paddr=0x2000000ab",
        "start_info.rsdp_paddr=0x123456789abcdef0",
        "start_info.flags=0xffffffff",
    )

    assert (None, True) == (seen.complaint(), seen.returned)


@pytest.mark.parametrize(
    ("name", "changes", "kind"),
    [
        *((name, ["start_info.magic=0x336ec579"], BUG) for name in ALL),
        *((name, [V0], BUG) for name in ("teaching", *UPSTREAM)),
        *((name, ["start_info.memmap_entries=0"], BUG) for name in UPSTREAM),
        *((name, [E820_MODULE], BUG) for name in UPSTREAM),
        *((name, ["start_info.memmap_paddr=0x40000000"], PAGE_FAULT) for name in ("teaching", *LONG)),
        ("6.1-686", ["start_info.memmap_paddr=0x3fffffe0"], PAGE_FAULT),
        ("teaching", [E820_MODULE, "modules[1].paddr=0x3ffffffe"], PAGE_FAULT),
        ("rfc", [E820_MODULE, "modules[1].paddr=0x3ffffffe"], PAGE_FAULT),
        ("rfc", [E820_MODULE, "modules[1].cmdline_paddr=0x40000000"], PAGE_FAULT),
        ("rfc", [E820_MODULE, "start_info.modlist_paddr=0x3fffffe0"], PAGE_FAULT),
    ],
)
def test_a_death_is_the_one_that_was_predicted(name: str, changes: Sequence[str], kind: str) -> None:
    seen = booted(name, *changes)
    death = seen.wanted.death

    assert (kind, True, False) == (death and death.kind, death and death.certain, seen.returned)
    assert ("died", "triple-fault") == (seen.halt.kind, seen.halt.how)


def test_a_count_of_all_ones_ends_in_a_fault_of_the_rfcs_kernel() -> None:
    seen = booted("rfc", E820_MODULE, "memory_map.nr_entries=0xffffffff")

    assert (PAGE_FAULT, False) == (seen.wanted.death and seen.wanted.death.kind, seen.returned)


def test_a_map_that_runs_over_the_stack_kills_the_rfcs_kernel() -> None:
    seen = with_module("rfc", 1100)

    assert (OVERRUN, False) == (seen.wanted.death and seen.wanted.death.kind, seen.returned)


def test_of_6_1_a_map_may_be_as_long_as_up_to_the_canary_behind_boot_params() -> None:
    longest = with_table("6.1", 172, last="bootparams")
    too_long = with_table("6.1", 173, last="bootparams", timeout=3.0)

    assert (None, True) == (longest.complaint(), longest.returned)
    assert (OVERRUN, False) == (too_long.wanted.death and too_long.wanted.death.kind, too_long.returned)


def test_a_32_bit_kernel_reads_something_else_where_addresses_wrap() -> None:
    seen = booted("6.1-686", "start_info.memmap_paddr=0x40000000", "start_info.memmap_entries=2")
    wrapped = booted("6.1-686", f"start_info.memmap_paddr={0x100000000 + BLANK:#x}", "start_info.memmap_entries=1")

    assert [(None, True, None)] * 2 == [
        (each.complaint(), each.returned, each.wanted.death) for each in (seen, wrapped)
    ]
    assert 0 == seen.wanted.known[0x2D0]


def test_an_empty_table_counts_as_one_of_256() -> None:
    """The byte is 0, the ISA range makes it 1, and a single range is no map."""
    assert FALLBACK == with_table("6.1", 256).tables[1]


def test_the_same_seed_is_the_same_mutation() -> None:
    assert mutations.mutation(7) == mutations.mutation(7)
    assert set(mutations.KERNELS) == {mutations.mutation(seed).kernel for seed in range(50)}


@pytest.mark.parametrize("seed", range(2017, 2029))
def test_a_random_boot_is_as_predicted(seed: int) -> None:
    image(mutations.mutation(seed).kernel)

    assert None is mutations.judge(seed)


def test_the_kernels_of_the_walk_are_those_of_the_other_tests() -> None:
    assert guest.ELF == mutations.KERNELS["teaching"]()
    assert set(ALL) == set(mutations.KERNELS)
