"""The table of rules. A rule is a function of a Case; its docstring is what `explain CODE` prints."""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING

from pvhdbg.abi.text import escape_non_ascii
from pvhdbg.checks.finding import ERROR, SEVERITIES, Finding
from pvhdbg.lazy_pattern import pattern
from pvhdbg.named_tuple import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from pvhdbg.checks.case import Case

    Check = Callable[[Case], Iterable["Defect"]]

ONCE, EVERY_STOP, ON_FAILURE, AFTER_STAGES = "once", "every stop", "on failure", "after the stages"
"""When a rule runs: once, at the first stop; at every stop; only if the guest died or a stage timed out; or only if
pvhdbg watched the guest after the last stage.
"""

MAX_FINDINGS, MAX_COUNTED = 16, 1000
"""The most findings that one rule reports at one stop, and the most further findings that it counts."""

SOURCE = "Source: "

_KERNEL_NAMES = (
    "cmd_line_ptr",
    "cmdline_paddr",
    "modlist_paddr",
    "rsdp_paddr",
    "acpi_rsdp_addr",
    "type_of_loader",
    "pvh_start_info",
    "start_info",
    "pvh_bootparams",
    "boot_params",
    "e820_table",
    "screen_info",
    "efi_info",
    "e_entry",
    "e_flags",
    "calibrate_delay",
)
"""Names that keep their underscores. A name that contains another name comes before it."""
_UPPER_CASE = frozenset({
    *("a20", "ascii", "bug", "cpu", "cr0", "cr4", "cs", "ds", "ebx", "eflags", "es", "esp", "gdt", "idt", "isa", "kvm"),
    *("nul", "pae", "pci", "pvh", "qemu", "ram", "rfc", "rsdp", "ss", "tr", "tss", "vmm"),
})  # fmt: skip
_SPELLINGS = {
    "append": "-append",
    "bzimage": "bzImage",
    "freebsd": "FreeBSD",
    "gib": "GiB",
    "linux": "Linux",
    "nanos": "Nanos",
    "netbsd": "NetBSD",
    "osv": "OSv",
    "xen": "Xen",
}
"""Words that a function's name cannot spell correctly."""


def _spelled(word: str) -> str:
    return word.upper() if word in _UPPER_CASE else _SPELLINGS.get(word, word)


class Defect(NamedTuple):
    """What a rule yields: a Finding without the rule's code. `severity` is None if it is the rule's severity.

    `is_habit`: the VMM, a QEMU that pvhdbg started, does this in every boot. `explains_death`: although the rule is not
    a cause, this defect says why the guest died.
    """

    field: str
    message: str
    at: int | None = None
    severity: str | None = None
    is_habit: bool = False
    explains_death: bool = False


class Rule(NamedTuple):
    """A row of the table.

    `severity` is the severity of the rule's findings, except those that have one of `other_severities`. A `cause`
    explains a death or the loss of the memory map: its errors come before all other findings. A rule that is
    `only_linux` says nothing about a guest that is known to be another.
    """

    code: str
    severity: str
    when: str
    cause: bool
    check: Check
    other_severities: tuple[str, ...] = ()
    only_linux: bool = False

    @property
    def name(self) -> str:
        """The defect in words, made from the function's name."""
        words = f"_{getattr(self.check, '__name__', self.code)}_"
        for name in _KERNEL_NAMES:
            words = words.replace(f"_{name}_", f"_{name.replace('_', chr(0))}_")
        spelled = " ".join(map(_spelled, words.strip("_").split("_")))
        return re.sub(r" (\d\d) bit ", r" \1-bit ", spelled).replace("hdr version", "hdr.version").replace("\0", "_")

    @property
    def paragraphs(self) -> list[str]:
        """The docstring: why the defect matters, what to do about it, and last, after SOURCE, the source."""
        blocks = (self.check.__doc__ or "").split("\n\n")
        return [" ".join(block.split()) for block in blocks if block.strip()]

    def findings(self, case: Case) -> Iterator[Finding]:
        """Yield the first MAX_FINDINGS findings, then one that counts the rest."""
        if self.only_linux and case.is_another_guest:
            return
        defects = iter(self.check(case))
        for defect in islice(defects, MAX_FINDINGS):
            yield self._finding(defect, defect.message)
        rest = list(islice(defects, MAX_COUNTED))
        if rest:
            worst = min(rest, key=lambda defect: SEVERITIES.index(defect.severity or self.severity))
            count = f"{MAX_COUNTED} or more others" if len(rest) == MAX_COUNTED else f"{len(rest)} more"
            yield self._finding(worst, f"{self.name}: and {count}")

    def _finding(self, defect: Defect, message: str) -> Finding:
        # Rules escape the text that they quote from a guest, but text from a recording or QEMU may have any character.
        severity, text = defect.severity or self.severity, escape_non_ascii(message)
        is_cause = self.cause and self.when == ON_FAILURE and severity == ERROR
        explains = defect.explains_death or is_cause
        return Finding(self.code, severity, text, defect.field, defect.at, defect.is_habit, explains)


_REST = pattern(r": and ([0-9]{1,5}) (?:or more others|more)", re.ASCII)


def omitted_count(finding: Finding) -> int:
    """Return the number N of a finding "and N more", or 0 for an ordinary finding."""
    match = _REST.search(finding.message)
    return int(match[1]) if match and match.end() == len(finding.message) else 0


def sentence(clause: str) -> str:
    """Return a clause, such as a hint, as a sentence: with a capital first letter and a full stop."""
    return f"{clause[:1].upper()}{clause[1:]}."


RULES: dict[str, Rule] = {}


def rule(
    code: str,
    severity: str,
    *other_severities: str,
    when: str = EVERY_STOP,
    cause: bool = False,
    only_linux: bool = False,
) -> Callable[[Check], Check]:
    """Return a decorator that adds a function to the table.

    :raise ValueError: if the code is already in use.
    """

    def register(check: Check) -> Check:
        if code in RULES:
            raise ValueError(f"rule code {code} is already in use")
        RULES[code] = Rule(code, severity, when, cause, check, other_severities, only_linux)
        return check

    return register
