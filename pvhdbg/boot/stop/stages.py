"""The stages of a PVH boot: the address at which each stops, and the data that is valid there."""

from __future__ import annotations

from typing import NamedTuple

START_INFO = "start_info"
PVH_START_INFO = "pvh_start_info"
BOOT_PARAMS = "boot_params"
KERNEL_BOOT_PARAMS = "kernel_boot_params"
E820_TABLE = "e820_table"
BOOT_DATA = ("cmdline", "modules", "memory_map")
CAPTURE_KEYS = (START_INFO, PVH_START_INFO, *BOOT_DATA, BOOT_PARAMS, KERNEL_BOOT_PARAMS, E820_TABLE)
"""The data that a stop can have in addition to the CPU's state: keys of a Capture and of its JSON form."""

DIED = "died"
RESET, UNSEEN = "reset", "unseen"
"""RESET is before the entry; UNSEEN is after stages that passed without a capture. Like DIED, they are not stages."""

MISSED = "passed, not captured"
"""What views show for a stage that the guest passed while it ran unobserved."""
UNDONE = "from before going back"
"""What views show for a stage that was captured before the machine went back, and not again since."""
NOT_READ = "not read where the guest died"
"""The reason in `missing` for all data, if the guest died after stages that were captured."""
NO_LONGER_VALID = "no longer valid"
"""The beginning of the reason in `missing` for a key that was valid only at earlier stages."""


class Stage(NamedTuple):
    """A stop point of the boot.

    `symbol` is the name of a function, None for the entry. If `returns` is true, the stage is at the return from the
    function, otherwise at its first instruction. `valid` has the keys of the data that can be read there.
    """

    name: str
    symbol: str | None
    returns: bool
    valid: tuple[str, ...]
    about: str


STAGES = (
    Stage("entry", None, False, (START_INFO, *BOOT_DATA), "the first instruction at the PHYS32_ENTRY address"),
    Stage(
        "prepare",
        "xen_prepare_pvh",
        False,
        (START_INFO, PVH_START_INFO, *BOOT_DATA),
        "the first instruction of xen_prepare_pvh",
    ),
    Stage(
        "bootparams",
        "xen_prepare_pvh",
        True,
        (START_INFO, PVH_START_INFO, *BOOT_DATA, BOOT_PARAMS),
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
"""The stage at which an interactive session begins, if the guest has this stage."""
_NOT_STAGES = {
    DIED: Stage(DIED, None, False, (), "where the guest died"),
    RESET: Stage(RESET, None, False, (), "before the PVH entry"),
    UNSEEN: Stage(UNSEEN, None, False, (), "the machine as pvhdbg found it; earlier stages were not captured"),
}


def stage(name: str) -> Stage:
    """Return the stage with this name. For DIED, RESET and UNSEEN, return a substitute.

    :raise KeyError: if the name is unknown.
    """
    if name in _NOT_STAGES:
        return _NOT_STAGES[name]
    return {known.name: known for known in STAGES}[name]


def first_valid(key: str) -> str:
    """Return the first stage at which `key` can be read."""
    return next(stage.name for stage in STAGES if key in stage.valid)


def is_before(name: str, later: str) -> bool:
    """Return whether a stage, or RESET, comes before stage `later`."""
    return name == RESET or NAMES.index(name) < NAMES.index(later)


def filled_in_after(name: str) -> tuple[str, ...]:
    """Return the keys of the data that the kernel fills in between stage `name` and the next stage.

    They can be read between the two stages, but may be incomplete.
    """
    following = NAMES.index(name) + 1
    keys = STAGES[following].valid if following < len(STAGES) else ()
    return tuple(key for key in keys if key in (BOOT_PARAMS, KERNEL_BOOT_PARAMS, E820_TABLE))


def readable_late(passed: int) -> tuple[str, ...]:
    """Return the keys of the data that memory may still hold if the first `passed` stages were not captured.

    After stage prepare, start_info is not one of them: its address was only in EBX at the entry.
    """
    if passed == 1:
        return STAGES[0].valid
    keys = {key for stage in STAGES[1:passed] for key in stage.valid}
    return tuple(key for key in CAPTURE_KEYS if key in keys and key != START_INFO)
