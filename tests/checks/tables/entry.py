"""Rules about start_info and the CPU's registers at the entry."""

from __future__ import annotations

from typing import Any

from tests import build
from tests.checks.cases import HOBBY, LINUX_32, RFC, Row, blob, entry, prepare

GIB = 1 << 30


def state(**registers: int) -> dict[str, Any]:
    return {"registers": {name.replace("__", "."): value for name, value in registers.items()}}


START_INFO = (
    Row("PVH101", lambda: entry(magic=0x41414141), entry),
    Row("PVH101", lambda: entry(magic=0x336EC579), lambda: prepare(magic=0x336EC578)),
    Row("PVH102", lambda: entry(None), lambda: entry(**blob())),
    Row("PVH103", lambda: entry(memmap_entries=0), lambda: entry(memmap_entries=1)),
    Row("PVH104", lambda: entry(version=2), lambda: entry(version=1)),
    Row("PVH105", lambda: entry(flags=0x20000), lambda: entry(flags=0x1F)),
    Row("PVH106", lambda: entry(reserved=1), entry),
    Row("PVH107", lambda: entry(memmap_paddr=0), lambda: entry(None, memmap_paddr=0)),
    Row("PVH107", lambda: entry(modlist_paddr=0), lambda: entry(modules=())),
    Row("PVH108", lambda: entry(cmdline_paddr=1 << 32), lambda: entry(cmdline_paddr=(1 << 32) - 1)),
    Row("PVH109", lambda: entry(memmap_paddr=GIB), lambda: entry(memmap_paddr=GIB - 24 * len(build.MAP))),
    Row("PVH109", lambda: prepare(modlist_paddr=GIB), lambda: prepare(rsdp_paddr=GIB)),
    Row("PVH109", lambda: entry(memmap_paddr=GIB, image=HOBBY), lambda: entry(memmap_paddr=GIB, symbols=RFC)),
    Row("PVH109", lambda: entry(memmap_paddr=0x1801000, image=LINUX_32), lambda: entry(image=LINUX_32)),
    Row("PVH110", lambda: entry(registers={"rbx": 1 << 31}), entry),
    Row("PVH110", lambda: entry(registers={"rbx": 0}), lambda: entry(registers={"rbx": None})),
    Row("PVH111", lambda: prepare({4: b"\2"}), prepare),
)

ENTRY_STATE = (
    Row("PVH120", lambda: entry(**state(cr0=0x80000011)), lambda: entry(**state(cr0=0x11))),
    Row("PVH121", lambda: entry(**state(cr4=0x1000)), lambda: entry(**state(cr4=0))),
    Row("PVH122", lambda: entry(**state(eflags=0x102)), lambda: entry(**state(eflags=0x46))),
    Row("PVH123", lambda: entry(**state(cs__base=0xFFFF0000)), lambda: entry(**state(cs=0x38))),
    Row("PVH124", lambda: entry(**state(ds__limit=0xFFFF)), lambda: entry(**state(ds__flags=0xC09300))),
    Row("PVH125", lambda: entry(**state(ss__flags=0)), lambda: prepare(**state(ss__flags=0))),
    Row("PVH126", entry, lambda: entry(**state(tr__limit=0x67))),
    Row("PVH127", lambda: entry(**state(a20=0)), lambda: entry(registers={"a20": None})),
    Row("PVH126", entry, lambda: entry(**state(rip=0x1000851))),
)

ROWS = (*START_INFO, *ENTRY_STATE)
