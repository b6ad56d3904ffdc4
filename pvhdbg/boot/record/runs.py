"""Several boots, such as the same kernel on several machines, and how each of them ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.named_tuple import NamedTuple

if TYPE_CHECKING:
    from pvhdbg.boot.record.document import Document

INTERRUPTED = 130


class Boot(NamedTuple):
    """What is booted: a kernel file, with the VMM as in `--vmm`, on the machine as in `-M`."""

    kernel: str
    vmm: str
    machine: str


class Run(NamedTuple):
    """One of several boots. `status` is the exit status of `pvhdbg check` for this boot alone.

    `document` is None if there is none, for example because the kernel file cannot be read. `errors` has the errors
    that pvhdbg reported.
    """

    boot: Boot
    status: int
    document: Document | None
    errors: tuple[str, ...] = ()
