"""Compare the model with real kernels: they do what the model predicts."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from pvhdbg import guest
from pvhdbg.boot.model.predicted import BUG, OVERRUN, PAGE_FAULT
from pvhdbg.boot.stop.protocols import E820_MODULE, MEMMAP, NO_MAP, V0
from tests import build
from tests.boot import mutations
from tests.boot.laboratory import BLANK, Experiment, Range, run_experiment
from tests.kernels import MissingError

MACHINES = ("microvm", "pc", "q35")
UPSTREAM_64 = ("6.1", "6.12")
UPSTREAM = (*UPSTREAM_64, "6.1-686")
ALL = ("teaching", "rfc", *UPSTREAM)

DEFAULT_MAP = [(0, 0x9F000, 1)]
TABLE_AT_BLANK = f"start_info.memmap_paddr={BLANK:#x}"


def image(name: str) -> Path:
    try:
        return mutations.KERNELS[name]()
    except MissingError as error:
        pytest.skip(str(error))


def boot(name: str, *changes: str, machine: str = "microvm", initrd: str | None = None) -> Experiment:
    return run_experiment(image(name), changes, machine=machine, initrd=initrd)


def long_map(count: int) -> list[Range]:
    """Return a map with enough RAM to boot, followed by one range in each 16 MiB above 64 GiB."""
    ram: list[Range] = [(0, 0x9F000, 1), (0x100000, 0x1FF00000, 1)]
    return [*ram, *(((1 << 36) + (index << 24), 0x1000 + index, 1 + index % 5) for index in range(2, count))][:count]


def boot_with_table(name: str, count: int, *, last: str = "e820", timeout: float = 60.0) -> Experiment:
    """Boot with a memmap table of `count` entries."""
    changes = (TABLE_AT_BLANK, f"start_info.memmap_entries={count}")
    puts = [(BLANK, build.memmap(long_map(count)))]
    return run_experiment(image(name), changes, puts=puts, last=last, timeout=timeout)


def boot_with_module(name: str, count: int, *, claimed: int | None = None) -> Experiment:
    """Boot with an "e820 data" module of `count` entries. nr_entries is `claimed`, by default `count`."""
    blob = (claimed or count).to_bytes(4, "little") + build.e820(long_map(count))
    return run_experiment(image(name), (E820_MODULE, f"modules[1].paddr={BLANK:#x}"), puts=[(BLANK, blob)])


def test_every_byte_of_an_unchanged_boot_is_predicted_except_hdr_version_with_two_alternatives() -> None:
    run = boot("teaching")

    assert None is run.deviation()
    assert {0x206: (b"\x0c\x02", b"\x12\x02")} == run.expected.alternatives
    assert [0x206, 0x207] == [at for at, known in enumerate(run.expected.known) if not known]


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("name", ALL)
def test_an_unchanged_boot_is_as_predicted_including_the_e820_table(name: str, machine: str, initrd: Path) -> None:
    run = boot(name, machine=machine, initrd=str(initrd))

    assert (None, True) == (run.deviation(), "e820" in run.stops)
    assert run.tables[0] == run.tables[1]


def test_the_rfc_kernel_ignores_the_memmap_table_and_uses_the_default_map() -> None:
    run = boot("rfc")

    assert (None, DEFAULT_MAP) == (run.deviation(), run.tables[1])


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("name", ["teaching", "rfc"])
def test_the_map_as_a_module_results_in_the_same_e820_table(name: str, machine: str) -> None:
    as_table, as_module = boot("teaching", machine=machine), boot(name, E820_MODULE, machine=machine)

    assert None is as_module.deviation()
    assert as_table.tables[1] == as_module.tables[1]


@pytest.mark.parametrize("name", ["teaching", *UPSTREAM])
def test_converting_the_map_to_a_module_and_back_changes_nothing(name: str) -> None:
    before, after = boot(name), boot(name, E820_MODULE, MEMMAP)

    assert (None, before.tables[1]) == (after.deviation(), after.tables[1])


def test_the_entry_stop_shows_the_changes() -> None:
    entry = boot("teaching", V0).stops["entry"]

    assert (0, NO_MAP) == (
        entry.start_info and entry.start_info.version,
        entry.memory_map and entry.memory_map.protocol,
    )


@pytest.mark.parametrize("name", ["teaching", *UPSTREAM])
@pytest.mark.parametrize("count", [1, 126, 127, 128, 129, 168, 169, 256, 257])
def test_a_table_of_any_length_is_handled_as_predicted(name: str, count: int) -> None:
    run = boot_with_table(name, count)

    assert (None, True) == (run.deviation(), "e820" in run.stops)


@pytest.mark.parametrize("name", ["teaching", "rfc"])
@pytest.mark.parametrize("count", [1, 127, 128, 129, 132, 168, 169, 255, 256, 260])
def test_a_module_of_any_length_is_handled_as_predicted(name: str, count: int) -> None:
    run = boot_with_module(name, count)

    assert (None, True) == (run.deviation(), "e820" in run.stops)


@pytest.mark.parametrize("name", ["e820 data ", "e820 dat", "E820 data", ""])
def test_the_rfc_kernel_ignores_a_module_with_another_name(name: str) -> None:
    run = boot("rfc", E820_MODULE, f'modules[1].cmdline="{name}"')

    assert (None, DEFAULT_MAP) == (run.deviation(), run.tables[1])


@pytest.mark.parametrize("name", ALL)
def test_high_halves_and_pointers_that_are_not_followed_are_handled_as_predicted(name: str) -> None:
    run = boot(
        name,
        E820_MODULE if name == "rfc" else MEMMAP,
        "start_info.cmdline_paddr=0x2000000ab",
        "start_info.rsdp_paddr=0x123456789abcdef0",
        "start_info.flags=0xffffffff",
    )

    assert (None, True) == (run.deviation(), run.returned)


@pytest.mark.parametrize(
    ("name", "changes", "kind"),
    [
        *((name, ["start_info.magic=0x336ec579"], BUG) for name in ALL),
        *((name, [V0], BUG) for name in ("teaching", *UPSTREAM)),
        *((name, ["start_info.memmap_entries=0"], BUG) for name in UPSTREAM),
        *((name, [E820_MODULE], BUG) for name in UPSTREAM),
        *((name, ["start_info.memmap_paddr=0x40000000"], PAGE_FAULT) for name in ("teaching", *UPSTREAM_64)),
        ("6.1-686", ["start_info.memmap_paddr=0x3fffffe0"], PAGE_FAULT),
        ("teaching", [E820_MODULE, "modules[1].paddr=0x3ffffffe"], PAGE_FAULT),
        ("rfc", [E820_MODULE, "modules[1].paddr=0x3ffffffe"], PAGE_FAULT),
        ("rfc", [E820_MODULE, "modules[1].cmdline_paddr=0x40000000"], PAGE_FAULT),
        ("rfc", [E820_MODULE, "start_info.modlist_paddr=0x3fffffe0"], PAGE_FAULT),
    ],
)
def test_a_guest_dies_as_predicted(name: str, changes: Sequence[str], kind: str) -> None:
    run = boot(name, *changes)
    death = run.expected.death

    assert (kind, True, False) == (death and death.kind, death and death.certain, run.returned)
    assert ("died", "triple-fault") == (run.halt.kind, run.halt.how)


def test_a_count_of_all_ones_ends_in_a_page_fault_of_the_rfc_kernel() -> None:
    run = boot("rfc", E820_MODULE, "memory_map.nr_entries=0xffffffff")

    assert (PAGE_FAULT, False) == (run.expected.death and run.expected.death.kind, run.returned)


def test_a_map_that_overwrites_the_stack_kills_the_rfc_kernel() -> None:
    run = boot_with_module("rfc", 1100)

    assert (OVERRUN, False) == (run.expected.death and run.expected.death.kind, run.returned)


def test_6_1_survives_a_map_up_to_the_canary_after_boot_params_and_no_longer_one() -> None:
    longest = boot_with_table("6.1", 172, last="bootparams")
    too_long = boot_with_table("6.1", 173, last="bootparams", timeout=3.0)

    assert (None, True) == (longest.deviation(), longest.returned)
    assert (OVERRUN, False) == (too_long.expected.death and too_long.expected.death.kind, too_long.returned)


def test_a_32_bit_kernel_reads_elsewhere_if_an_address_wraps_around() -> None:
    high = boot("6.1-686", "start_info.memmap_paddr=0x40000000", "start_info.memmap_entries=2")
    wrapped = boot("6.1-686", f"start_info.memmap_paddr={0x100000000 + BLANK:#x}", "start_info.memmap_entries=1")

    assert [(None, True, None)] * 2 == [(run.deviation(), run.returned, run.expected.death) for run in (high, wrapped)]
    assert 0 == high.expected.known[0x2D0]


def test_a_table_of_256_entries_counts_as_empty() -> None:
    """The count mod 256 is 0, the ISA range increases it to 1, and Linux rejects a map with a single entry."""
    assert DEFAULT_MAP == boot_with_table("6.1", 256).tables[1]


def test_the_same_seed_gives_the_same_mutation() -> None:
    assert mutations.mutation(7) == mutations.mutation(7)
    assert set(mutations.KERNELS) == {mutations.mutation(seed).kernel for seed in range(50)}


@pytest.mark.parametrize("seed", range(2017, 2029))
def test_a_random_boot_is_as_predicted(seed: int) -> None:
    image(mutations.mutation(seed).kernel)

    assert (mutations.RIGHT, "") == mutations.check_model(seed)


def test_mutations_boot_the_same_kernels_as_these_tests() -> None:
    assert guest.ELF == mutations.KERNELS["teaching"]()
    assert set(ALL) == set(mutations.KERNELS)
