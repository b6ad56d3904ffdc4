"""The stages of a PVH boot: the address at which each stops, and the data that is valid there."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from pvhdbg.guest_profiles import linux, profile, table
from pvhdbg.named_tuple import NamedTuple

if TYPE_CHECKING:
    from pvhdbg.guest_profiles.profile import GuestProfile, Variable
    from pvhdbg.image.facts import ImageFacts

START_INFO = "start_info"
PVH_START_INFO = profile.PVH_START_INFO
BOOT_PARAMS = profile.BOOT_PARAMS
KERNEL_BOOT_PARAMS = profile.KERNEL_BOOT_PARAMS
E820_TABLE = profile.E820_TABLE
BOOT_DATA = ("cmdline", "modules", "memory_map")
CAPTURE_KEYS = (START_INFO, PVH_START_INFO, *BOOT_DATA, BOOT_PARAMS, KERNEL_BOOT_PARAMS, E820_TABLE)
"""The data that a stop can have in addition to the CPU's state: keys of a Capture and of its JSON form."""

DIED = "died"
RESET, UNSEEN, XEN = "reset", "unseen", "xen"
"""RESET is before the entry; UNSEEN is after stages that passed without a capture; in XEN, the CPU does not execute the
kernel, but Xen or another of its guests. Like DIED, they are not stages.
"""

MISSED = "passed, not captured"
"""What views show for a stage that the guest passed while it ran unobserved."""
UNDONE = "from before going back"
"""What views show for a stage that was captured before the machine went back, and not again since."""
NOT_READ = "not read where the guest died"
"""The reason in `missing` for all data, if the guest died after stages that were captured."""
READS_NOTHING = {DIED: NOT_READ, XEN: "the machine does not execute the kernel"}
"""The reason in `missing` for all data, at what is not a stage."""
NO_LONGER_VALID = "no longer valid"
"""The beginning of the reason in `missing` for a key that was valid only at earlier stages."""


class Stage(NamedTuple):
    """A stop point of the boot.

    `symbol` is the name of a function, None for the entry. If `returns` is true, the stage is at the return from the
    function, otherwise at its first instruction. `valid` has the keys of the data that can be read there. `lacking` is
    why this guest never has the stage, whatever its symbols are; None if it has it.
    """

    name: str
    symbol: str | None
    returns: bool
    valid: tuple[str, ...]
    about: str
    lacking: str | None = None


NAMES = ("entry", "prepare", "bootparams", "kernel", "e820")
FIRST_STOP = "prepare"
"""The stage at which an interactive session begins, if the guest has this stage."""
_SHOWS_BOOT_DATA = ("entry", "prepare", "bootparams")


@cache
def _of_profile(name: str) -> tuple[Stage, ...]:
    guest = table.named(name) or linux.LINUX
    return tuple(_stage(guest, stage) for stage in NAMES)


def _stage(guest: GuestProfile, name: str) -> Stage:
    keys = {variable.key for variable in guest.variables if name in variable.stages}
    keys |= {START_INFO, *BOOT_DATA} if name in _SHOWS_BOOT_DATA else set()
    valid = tuple(key for key in CAPTURE_KEYS if key in keys)
    if name == "entry":
        return Stage(name, None, False, valid, "the first instruction at the PHYS32_ENTRY address")
    found = guest.stage(name)
    if found is None:
        return Stage(name, None, False, (), "not a stage of this guest", guest.without or f"{guest.title} has none")
    return Stage(name, found.function, found.returns, valid, found.about)


STAGES = _of_profile(linux.LINUX.name)
"""The stages of Linux, which has all of them."""
_NOT_STAGES = {
    DIED: Stage(DIED, None, False, (), "where the guest died"),
    RESET: Stage(RESET, None, False, (), "before the PVH entry"),
    XEN: Stage(XEN, None, False, (), "the machine executes Xen or another guest of Xen"),
    UNSEEN: Stage(UNSEEN, None, False, (), "the machine as pvhdbg found it; earlier stages were not captured"),
}


def of(image: ImageFacts | None) -> tuple[Stage, ...]:
    """Return all stages, as they are in this guest. A guest that is not known is taken for Linux."""
    return STAGES if image is None else _of_profile(image.profile.name)


def stage(name: str, image: ImageFacts | None = None) -> Stage:
    """Return the stage with this name in this guest. For DIED, RESET, UNSEEN and XEN, return a substitute.

    :raise KeyError: if the name is unknown.
    """
    if name in _NOT_STAGES:
        return _NOT_STAGES[name]
    return {known.name: known for known in of(image)}[name]


def variable(key: str, image: ImageFacts | None) -> Variable | None:
    """Return the variable of this guest that a capture reads for `key`; None if it has none."""
    return (linux.LINUX if image is None else image.profile).variable(key)


def first_valid(key: str, image: ImageFacts | None = None) -> str | None:
    """Return the first stage at which `key` can be read in this guest; None if it never can."""
    return next((stage.name for stage in of(image) if key in stage.valid), None)


def is_before(name: str, later: str) -> bool:
    """Return whether a stage, or RESET, comes before stage `later`."""
    return name == RESET or NAMES.index(name) < NAMES.index(later)


def filled_in_after(name: str, image: ImageFacts | None = None) -> tuple[str, ...]:
    """Return the keys of the data that the kernel fills in between stage `name` and the next stage.

    They can be read between the two stages, but may be incomplete.
    """
    following = NAMES.index(name) + 1
    keys = of(image)[following].valid if following < len(NAMES) else ()
    return tuple(key for key in keys if key in (BOOT_PARAMS, KERNEL_BOOT_PARAMS, E820_TABLE))


def readable_late(passed: int) -> tuple[str, ...]:
    """Return the keys of the data that memory may still hold if the first `passed` stages were not captured.

    After stage prepare, start_info is not one of them: its address was only in EBX at the entry.
    """
    if passed == 1:
        return STAGES[0].valid
    keys = {key for stage in STAGES[1:passed] for key in stage.valid}
    return tuple(key for key in CAPTURE_KEYS if key in keys and key != START_INFO)
