"""The guests as topics: how each is recognized, its stages, where its start_info is, and what it reads and demands."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from pvhdbg.guest_profiles.profile import PHYSICAL, PVH_START_INFO, STRUCTURE
from pvhdbg.guest_profiles.table import OTHER, PROFILES
from pvhdbg.views.explain.topic import Explanation, Topic

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pvhdbg.guest_profiles.profile import GuestProfile

GUESTS = "guests"
NOT_TRIED = "from its source code; not tested with a real guest"


def of_guests() -> Iterator[Topic]:
    for profile in PROFILES:
        explain = _of_other if profile is OTHER else partial(of_guest, profile)
        yield Topic(GUESTS, profile.name, (profile.name,), explain)


def _of_other() -> Explanation:
    return Explanation(
        f"guest {OTHER.name}",
        meaning=f"{OTHER.title}: one that pvhdbg does not know",
        details=(
            "It has only the stage entry, where pvhdbg decodes all boot data.",
            "The rules about Linux apply too: what makes Linux crash is a warning here.",
        ),
        values=tuple(("", name, about) for name, about in stages_of(OTHER)),
        source=OTHER.source,
    )


def of_guest(profile: GuestProfile) -> Explanation:
    return Explanation(
        f"guest {profile.name}",
        meaning=f"{profile.title}: {tried(profile)}",
        details=(
            f"It reads {profile.reads}",
            f"It ignores {profile.ignores}",
            f"It requires {profile.requires}",
            f"start_info: {copy_of(profile)}.",
            f"Recognized by {marks_of(profile)}.",
            *([f"It lacks other stages: {profile.without}."] if profile.without else []),
        ),
        values=tuple(("", name, about) for name, about in stages_of(profile)),
        source=profile.source,
    )


def tried(profile: GuestProfile) -> str:
    """Return where the facts about a guest are from."""
    return f"tested with a real guest: {profile.tried}" if profile.tried else NOT_TRIED


def stages_of(profile: GuestProfile) -> Iterator[tuple[str, str]]:
    """Yield the stages of a guest and where each is."""
    yield "entry", "the first instruction at the PHYS32_ENTRY address"
    for stage in profile.stages:
        argument = f", with the address of start_info in {profile.argument.upper()}" if profile.argument else ""
        yield stage.name, stage.about + (argument if stage.name == "prepare" else "")


def copy_of(profile: GuestProfile) -> str:
    """Describe where a guest has its own start_info."""
    variable = profile.variable(PVH_START_INFO)
    if variable is None:
        return "it keeps no copy and no pointer in a variable with a fixed name"
    if variable.holds == STRUCTURE:
        return f"its copy is the variable {variable.symbol}"
    kind = "physical address" if variable.holds == PHYSICAL else "pointer"
    return f"the variable {variable.symbol} has the {kind}"


def marks_of(profile: GuestProfile) -> str:
    """Describe what pvhdbg recognizes a guest by."""
    marks = profile.marks
    return " or ".join(
        filter(
            None,
            (
                f"the symbol{'s' * (len(marks.symbols) > 1)} {' and '.join(marks.symbols)}" if marks.symbols else "",
                f"a GUEST_OS note that begins with {marks.guest_os}" if marks.guest_os else "",
                f"a note of the owner {marks.note_owner}" if marks.note_owner else "",
                f'the text "{marks.string.decode().strip(chr(0)).strip()}"' if marks.string else "",
            ),
        )
    )
