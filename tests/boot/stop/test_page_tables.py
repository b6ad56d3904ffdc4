"""Which addresses are translated at a stop."""

from pvhdbg.boot.stop.page_tables import wanted
from tests import build

LINKED = 0xFFFFFFFF80000000


def test_a_variable_of_the_kernel_is_translated_at_its_link_address_and_other_memory_where_it_is() -> None:
    stop = next(stop for stop in build.boot().stops if stop.stage == "e820")
    params = stop.boot_params or stop.kernel_boot_params
    assert params is not None
    assert params.at is not None
    named = stop._replace(symbols={"other": LINKED + params.at + 8, "boot_params": LINKED + params.at})
    unnamed = stop._replace(symbols={"other": LINKED + params.at + 8, "low": params.at})

    assert LINKED + params.at == wanted(named)["boot_params"]
    assert params.at == wanted(unnamed)["boot_params"]


def test_at_a_death_the_first_walk_is_of_the_address_that_was_not_mapped() -> None:
    stop = build.boot().stops[-1]
    stop = stop._replace(registers={**stop.registers, "cr2": 0xFFFF888040000000})

    assert "cr2" not in wanted(stop)
    assert ("cr2", 0xFFFF888040000000) == next(iter(wanted(stop._replace(stage="died")).items()))
