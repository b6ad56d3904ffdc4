"""Captures of a Linux at xen_prepare_pvh with given boot data, and the results that the model expects."""

from collections.abc import Sequence

from pvhdbg.abi.start_info import StartInfo
from pvhdbg.boot.model.expected import ExpectedBootParams, expected_boot_params
from pvhdbg.boot.model.kernel_behavior import KernelBehavior
from pvhdbg.boot.stop.capture import Capture
from tests import build
from tests.build import KERNEL_MAP, MAP, RAMDISK, RAMDISK_SIZE, VARIABLES, Range

UPSTREAM = KernelBehavior(memmap=True, e820_module=False, sets_rsdp=False, xen=False, versions=(0x20C,))
RFC = KernelBehavior(memmap=False, e820_module=True, sets_rsdp=False, xen=False, versions=(0x212,))
TEACHING = UPSTREAM._replace(e820_module=True)

MODLIST, CMDLINE, MEMMAP, NAME, BLOB = 0x10000, 0x11000, 0x12000, 0x11800, 0x20000
RETURN = 0x3112368
"""The stack address at which Linux 6.1 has the return address of xen_prepare_pvh."""


def map_of(count: int) -> list[Range]:
    """Return a map with `count` different entries."""
    return [(index << 20, 0x1000 + index, 1 + index % 5) for index in range(count)]


def prepare_stop(
    table: Sequence[Range] | None = MAP, blob: Sequence[Range] | None = None, name: bytes = b"e820 data", **fields: int
) -> Capture:
    """Return a capture of a Linux at xen_prepare_pvh that has a memmap table, an "e820 data" module, both or neither.

    `fields` are values of fields of start_info.
    """
    guest = build.linux_guest()
    build.page_tables(guest)
    guest.symbols = {symbol: KERNEL_MAP + paddr for symbol, paddr in VARIABLES.items()}
    guest.registers["rsp"] = RETURN
    modules = [(RAMDISK, RAMDISK_SIZE, 0, 0)]
    if blob is not None:
        modules.append((BLOB, 4 + 20 * len(blob), NAME, 0))
        guest.put(BLOB, build.e820_blob(blob))
        guest.put(NAME, name + b"\0")
    values = {"nr_modules": len(modules), "modlist_paddr": MODLIST, "cmdline_paddr": CMDLINE, "version": 0}
    if table is not None:
        values |= {"version": 1, "memmap_paddr": MEMMAP, "memmap_entries": len(table)}
        guest.put(MEMMAP, build.memmap(table))
    guest.put(MODLIST, build.modlist(*modules))
    guest.put(CMDLINE, b"console=ttyS0\0")
    guest.put(VARIABLES["pvh_start_info"], bytes(StartInfo.SIZE))
    guest.put(VARIABLES["pvh_start_info"], build.start_info(**values | fields))
    capture = guest.at("prepare")
    return capture._replace(symbols={**capture.symbols, "pvh_bootparams": guest.symbols["pvh_bootparams"]})


def with_memory(capture: Capture, paddr: int, data: bytes) -> Capture:
    """Return the capture with other bytes at a physical address."""
    return capture._replace(memory=((paddr, data), *capture.memory))


def model(capture: Capture, behavior: KernelBehavior) -> ExpectedBootParams:
    expected = expected_boot_params(capture, behavior)
    assert expected is not None
    return expected
