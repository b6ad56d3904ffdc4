"""A Finding: what a rule reports about one captured field."""

from __future__ import annotations

from pvhdbg.named_tuple import NamedTuple

ERROR, WARNING, INFO = "error", "warning", "info"
SEVERITIES = (ERROR, WARNING, INFO)
"""Worst first. error: the kernel crashes, or loses memory, its initrd or its command line. warning: the ABI is
violated, and a known guest fails because of it. info: unusual but harmless.
"""


class Finding(NamedTuple):
    """One finding of a rule.

    `code` names the rule and never changes. `field` is the path of the field that the message is about, in the
    document's stop or in its `kernel`, `machine` or `outcome`. `at` is the physical address of the field, or None.
    `is_habit`: the VMM does this in every boot, and no known guest depends on it. `explains_death`: it says why the
    guest died, so the guest did not ask for a reset itself.
    """

    code: str
    severity: str
    message: str
    field: str
    at: int | None = None
    is_habit: bool = False
    explains_death: bool = False
