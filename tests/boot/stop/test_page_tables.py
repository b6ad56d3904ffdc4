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
