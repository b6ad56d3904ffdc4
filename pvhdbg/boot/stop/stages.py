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
"""What a stop may hold, apart from the CPU's state: keys of a Capture and of its JSON."""

DIED = "died"
RESET, UNSEEN = "reset", "unseen"
"""Before the entry; and somewhere after it, on a machine whose stages nobody saw. Like a death they are no stages."""


MISSED = "passed, not captured"
"""What is said of a stage that went by while nobody looked."""


class Stage(NamedTuple):
    """A stop on the way. `symbol` is the function it is about, null for the entry; `returns` is true where the stage
    is that function's return instead of its first instruction. `valid` names what can be read there.
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
NAMES = tuple(each.name for each in STAGES)
FIRST_STOP = "prepare"
"""Where a session on a screen begins, if the guest has that stage."""
_NO_STAGES = {
    DIED: Stage(DIED, None, False, (), "where the guest died"),
    RESET: Stage(RESET, None, False, (), "before the PVH entry"),
    UNSEEN: Stage(UNSEEN, None, False, (), "somewhere behind stages that nobody saw"),
}


def stage(name: str) -> Stage:
    """The stage of that name, or what stands for one at a death, before the entry, or where nobody saw any.

    :raise KeyError: if there is none.
    """
    if name in _NO_STAGES:
        return _NO_STAGES[name]
    return {each.name: each for each in STAGES}[name]


def first_valid(key: str) -> str:
    """The first stage at which `key` can be read."""
    return next(each.name for each in STAGES if key in each.valid)


def is_before(name: str, other: str) -> bool:
    """Whether a stage, or RESET, comes before another stage."""
    return name == RESET or NAMES.index(name) < NAMES.index(other)


def made_after(name: str) -> tuple[str, ...]:
    """What is in the making between stage `name` and the next one, and fit to be looked at meanwhile."""
    after = NAMES.index(name) + 1
    coming = STAGES[after].valid if after < len(STAGES) else ()
    return tuple(key for key in coming if key in (BOOT_PARAMS, KERNEL_BOOT_PARAMS, E820_TABLE))


def left_by(passed: int) -> tuple[str, ...]:
    """What is still to be read where `passed` stages went by unseen; start_info's address went with EBX."""
    valid = STAGES[min(passed, NAMES.index("kernel") + 1) - 1].valid if passed else ()
    return tuple(key for key in valid if passed > 1 and key != START_INFO)
