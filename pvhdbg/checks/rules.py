"""The table of rules. A rule is a function of a Case; its docstring is what `explain CODE` tells."""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from pvhdbg.abi.text import ascii_words
from pvhdbg.checks.finding import SEVERITIES, Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from pvhdbg.checks.case import Case

    Check = Callable[[Case], Iterable["Found"]]

FIRST, EACH, LAST = "first", "each", "last"
"""When a rule is asked: at the first stop, about what was known before; at each stop; where the run ended unwanted."""

MOST, COUNTED = 16, 1000
"""Findings of one rule at one stop; how many more there are is told, as far as they are counted."""

SOURCE = "Source: "


_NAMES = (
    *("cmd_line_ptr", "cmdline_paddr", "rsdp_paddr", "acpi_rsdp_addr", "type_of_loader"),
    *("start_info", "pvh_bootparams", "boot_params", "e820_table"),
)
_SPELLED = {
    each.lower(): each
    for each in (
        *(
            "A20",
            "ASCII",
            "BUG",
            "CPU",
            "CR0",
            "CR4",
            "CS",
            "DS",
            "EFLAGS",
            "ELF",
            "ES",
            "FreeBSD",
            "GiB",
            "IDT",
            "ISA",
        ),
        *("KVM", "Linux", "PAE", "PVH", "QEMU", "RAM", "RFC", "RSDP", "SS", "TR", "TSS", "Xen", "bzImage"),
    )
}
"""Words that a function's name has to write in another way."""


class Found(NamedTuple):
    """What a rule yields. Without a severity of its own it has the rule's."""

    field: str
    message: str
    at: int | None = None
    severity: str | None = None


class Rule(NamedTuple):
    """`severity` is what its findings have, unless they say one of `also`. A `cause` explains a death, or the loss
    of the map: its findings stand before all others.
    """

    code: str
    severity: str
    when: str
    cause: bool
    check: Check
    also: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The defect in words: the function's name, with the kernel's own names in it as they are."""
        words = str(getattr(self.check, "__name__", self.code))
        for name in _NAMES:
            words = words.replace(name, name.replace("_", "\0"))
        spelled = " ".join(_SPELLED.get(each, each) for each in words.split("_"))
        return spelled.replace(" 32 bit ", " 32-bit ").replace("hdr version", "hdr.version").replace("\0", "_")

    @property
    def paragraphs(self) -> list[str]:
        """The docstring: why it matters, what to do, and after SOURCE where that is from."""
        blocks = (self.check.__doc__ or "").split("\n\n")
        return [" ".join(each.split()) for each in blocks if each.strip()]

    def findings(self, case: Case) -> Iterator[Finding]:
        found = iter(self.check(case))
        for each in islice(found, MOST):
            yield self._finding(each, each.message)
        rest = list(islice(found, COUNTED))
        if rest:
            gravest = min(rest, key=lambda each: SEVERITIES.index(each.severity or self.severity))
            count = f"{COUNTED} or more others" if len(rest) == COUNTED else f"{len(rest)} more"
            yield self._finding(gravest, f"{self.name}: and {count}")

    def _finding(self, of: Found, message: str) -> Finding:
        # Rules escape what they quote of a guest; the words of a recording, and of QEMU, may still be anything.
        return Finding(self.code, of.severity or self.severity, ascii_words(message), of.field, of.at)


_REST = re.compile(r": and ([0-9]{1,5}) (?:or more others|more)", re.ASCII)


def others(finding: Finding) -> int:
    """How many more findings of its rule this one stands for; 0 if it is one of its own."""
    found = _REST.search(finding.message)
    return int(found[1]) if found and found.end() == len(finding.message) else 0


RULES: dict[str, Rule] = {}


def rule(code: str, severity: str, *also: str, when: str = EACH, cause: bool = False) -> Callable[[Check], Check]:
    """Put a function into the table.

    :raise ValueError: if the code is taken.
    """

    def register(check: Check) -> Check:
        if code in RULES:
            raise ValueError(f"{code} is there twice")
        RULES[code] = Rule(code, severity, when, cause, check, also)
        return check

    return register
