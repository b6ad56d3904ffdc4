"""The stages of a PVH boot: where each stops, and what is valid there."""

from __future__ import annotations

from typing import NamedTuple

START_INFO = "start_info"
PVH_START_INFO = "pvh_start_info"
BOOT_PARAMS = "boot_params"
KERNEL_BOOT_PARAMS = "kernel_boot_params"
E820_TABLE = "e820_table"
HANDED_OVER = ("cmdline", "modules", "memory_map")
CAPTURE_KEYS = (START_INFO, PVH_START_INFO, *HANDED_OVER, BOOT_PARAMS, KERNEL_BOOT_PARAMS, E820_TABLE)
"""What a stop can hold besides the CPU's state: keys of a Capture and of its JSON."""

DIED = "died"
RESET, UNSEEN = "reset", "unseen"
"""RESET is before the entry; UNSEEN is after stages that passed without a capture. Like DIED, they are not stages."""


MISSED = "passed, not captured"
"""What views show for a stage that passed while the guest ran unwatched."""
NO_LONGER_VALID = "no longer valid"
"""How the reason in `missing` begins for a key that was valid only at earlier stages."""


class Stage(NamedTuple):
    """A stop on the way. `symbol` is the function it belongs to, None for the entry. The stage is that function's
    return if `returns` is true, else its first instruction. `valid` names the keys that can be read there.
    """

    name: str
    symbol: str | None
    returns: bool
    valid: tuple[str, ...]
    about: str


STAGES = (
    Stage("entry", None, False, (START_INFO, *HANDED_OVER), "the first instruction at the PHYS32_ENTRY address"),
    Stage(
        "prepare",
        "xen_prepare_pvh",
        False,
        (START_INFO, PVH_START_INFO, *HANDED_OVER),
        "the first instruction of xen_prepare_pvh",
    ),
    Stage(
        "bootparams",
        "xen_prepare_pvh",
        True,
        (START_INFO, PVH_START_INFO, *HANDED_OVER, BOOT_PARAMS),
        "the return from xen_prepare_pvh",
    ),
    Stage("kernel", "start_kernel", False, (KERNEL_BOOT_PARAMS,), "the first instruction of start_kernel"),
    Stage(
        "e820",
        "e820__memory_setup",
        True,
        (KERNEL_BOOT_PARAMS, E820_TABLE),
        "the return from e820__memory_setup",
    ),
)
NAMES = tuple(stage.name for stage in STAGES)
FIRST_STOP = "prepare"
"""Where an interactive session begins, if the guest has that stage."""
_NOT_STAGES = {
    DIED: Stage(DIED, None, False, (), "where the guest died"),
    RESET: Stage(RESET, None, False, (), "before the PVH entry"),
    UNSEEN: Stage(UNSEEN, None, False, (), "after stages that were not captured"),
}


def stage(name: str) -> Stage:
    """Return the stage of that name, or its substitute for DIED, RESET and UNSEEN.

    :raise KeyError: if the name is unknown.
    """
    if name in _NOT_STAGES:
        return _NOT_STAGES[name]
    return {known.name: known for known in STAGES}[name]


def first_valid(key: str) -> str:
    """Return the first stage at which `key` can be read."""
    return next(stage.name for stage in STAGES if key in stage.valid)


def is_before(name: str, later: str) -> bool:
    """Say whether a stage, or RESET, comes before stage `later`."""
    return name == RESET or NAMES.index(name) < NAMES.index(later)


def filled_in_after(name: str) -> tuple[str, ...]:
    """Return the keys that the kernel fills in between stage `name` and the next: readable there, but incomplete."""
    following = NAMES.index(name) + 1
    keys = STAGES[following].valid if following < len(STAGES) else ()
    return tuple(key for key in keys if key in (BOOT_PARAMS, KERNEL_BOOT_PARAMS, E820_TABLE))


def readable_after_missing(passed: int) -> tuple[str, ...]:
    """Return the keys that can still be read if the first `passed` stages were not captured.

    start_info is not among them: its address was in EBX at the entry.
    """
    valid = STAGES[min(passed, NAMES.index("kernel") + 1) - 1].valid if passed else ()
    return tuple(key for key in valid if passed > 1 and key != START_INFO)
