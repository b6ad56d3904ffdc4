"""What can be read at and between the stages."""

import pytest

from pvhdbg.boot.stop import stages

BOOT_DATA = {"cmdline", "modules", "memory_map"}


@pytest.mark.parametrize(
    ("passed", "expected"),
    [
        (0, set()),
        (1, {"start_info", *BOOT_DATA}),
        (2, {"pvh_start_info", *BOOT_DATA}),
        (3, {"pvh_start_info", *BOOT_DATA, "boot_params"}),
        (4, {"pvh_start_info", *BOOT_DATA, "boot_params", "kernel_boot_params"}),
        (5, {"pvh_start_info", *BOOT_DATA, "boot_params", "kernel_boot_params", "e820_table"}),
    ],
)
def test_start_info_can_be_read_late_only_directly_after_the_entry(passed: int, expected: set[str]) -> None:
    assert expected == set(stages.readable_late(passed))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("entry", ()),
        ("prepare", ("boot_params",)),
        ("bootparams", ("kernel_boot_params",)),
        ("kernel", ("kernel_boot_params", "e820_table")),
        ("e820", ()),
    ],
)
def test_after_a_stage_the_kernel_fills_in_what_is_valid_at_the_next(name: str, expected: tuple[str, ...]) -> None:
    assert expected == stages.filled_in_after(name)


def test_the_stages_are_in_the_order_of_the_boot() -> None:
    order = [stages.RESET, *stages.NAMES]
    pairs = [(name, later) for name in order for later in stages.NAMES]

    assert [stages.is_before(*pair) for pair in pairs] == [order.index(name) < order.index(it) for name, it in pairs]


def test_a_key_is_valid_first_where_it_is_made() -> None:
    first = {key: stages.first_valid(key) for key in ("start_info", "pvh_start_info", "boot_params", "e820_table")}

    assert {
        "start_info": "entry",
        "pvh_start_info": "prepare",
        "boot_params": "bootparams",
        "e820_table": "e820",
    } == first


def test_what_is_not_a_stage_has_a_substitute_or_is_an_error() -> None:
    assert [(), ()] == [stages.stage(name).valid for name in (stages.DIED, stages.RESET)]
    with pytest.raises(KeyError):
        stages.stage("nowhere")
