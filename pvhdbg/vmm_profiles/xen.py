"""What the two builders of Xen have in common: the CPU state has no descriptor tables, and all selectors are 0."""

from __future__ import annotations

from pvhdbg.abi.alignment import align_up
from pvhdbg.vmm_profiles.cpu_state import UNUSABLE, CpuState, Segment, Table

VERSION, COMMIT = "4.23-unstable", "c447b7308b1330ec6dcfef37220736c28f41daa0"
REPOSITORY = "github.com/xen-project/xen"
PAGE = 0x1000

_4G = 0xFFFFFFFF
DATA = Segment(0, 0, _4G, 0xC09300)

CPU = CpuState(
    cr0=0x11,
    cr4=0,
    efer=0,
    eflags=2,
    cs=Segment(0, 0, _4G, 0xC09B00),
    ds=DATA,
    es=DATA,
    ss=DATA,
    fs=UNUSABLE,
    gs=UNUSABLE,
    tr=Segment(0, 0, 0x67, 0x8B00),
    ldtr=UNUSABLE,
    gdtr=Table(0, 0),
    idtr=Table(0, 0),
    general={},
)
DIFFERS = (
    "there is no Xen: no hypercalls, no Xen leaves in CPUID, no special pages",
    "TR's selector is not 0: no instruction loads a null selector into TR",
    "LDTR has limit 0, but its flags are those of a present LDT",
)


def page_end(address: int) -> int:
    """Return the next multiple of a page."""
    return align_up(address, PAGE)
