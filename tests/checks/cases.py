"""Cases for rules: boots that are normal except for the given differences."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from pvhdbg.abi.boot_params import BootParams
from pvhdbg.abi.start_info import StartInfo
from pvhdbg.boot.record.document import DEAD, DONE, TIMED_OUT, Death, MachineFacts, Outcome, Watched
from pvhdbg.boot.stop.capture import MISSING_STAGE, Capture
from pvhdbg.boot.stop.kernel_probe import ANY_STRING, E820_STRING
from pvhdbg.boot.stop.stop import Stop
from pvhdbg.checks.case import Case
from pvhdbg.checks.finding import ERROR, INFO, WARNING
from pvhdbg.image.facts import ImageFacts, Note, Segment
from pvhdbg.image.verdicts.verdict import Verdict
from pvhdbg.live.qemu.firmware import SEABIOS, microvm_firmware
from tests import build
from tests.build import CMDLINE, KERNEL_MAP, MAP, MEMMAP, MODLIST, RAMDISK, RAMDISK_SIZE, START_INFO, VARIABLES, Range

UPSTREAM = {
    "xen_prepare_pvh": 0xFFFFFFFF8305A1FF,
    "mem_map_via_hcall": 0xFFFFFFFF81000000,
    "pvh_bootparams": KERNEL_MAP + VARIABLES["pvh_bootparams"],
    "pvh_get_root_pointer": 0xFFFFFFFF81000100,
    "__append_e820_table": 0xFFFFFFFF81000200,
    ANY_STRING: 0xFFFFFFFF81000000,
}
RFC = {"xen_prepare_pvh": UPSTREAM["xen_prepare_pvh"], ANY_STRING: 1, E820_STRING: 2}
NAME, BLOB = 0x11800, 0x20000
LINUX = build.linux()
HOBBY = LINUX._replace(kind="elf", release=None)
FREEBSD = HOBBY._replace(notes=(Note("Xen", 6, b"FreeBSD\0"),), guest="freebsd")
LINUX_32 = LINUX._replace(elf_class=32, segments=(Segment(0x1000000, 0xC1000000, 0x600000, 0x800000),))
MACHINE = build.machine()
BUG_AT = 0xFFFFFFFF8305A2A8
HARMLESS = {
    "PVH126",  # QEMU leaves TR as it is after a reset
    "PVH201",  # qboot's last entry is empty
    "PVH203",  # the map is not sorted
    "PVH307",  # a module has nonzero reserved bytes
    "PVH330",  # rsdp_paddr is 0
    "PVH340",  # structures lie in unreserved RAM
}
"""The infos that an unchanged boot with QEMU may have."""
COPIED = "PVH306"
"""A further info on a microvm with SeaBIOS: part of the ramdisk is in memory that SeaBIOS reserves for itself."""


def harmless(machine: str) -> set[str]:
    """Return the infos that an unchanged boot of this machine may have with this QEMU."""
    is_copied = machine.startswith("microvm") and microvm_firmware(()) == SEABIOS
    return HARMLESS | ({COPIED} if is_copied else set())


Expected = tuple[tuple[str, str, int | None], ...]
"""The severity, the field and the address of each finding."""


class Row(NamedTuple):
    """A rule, a case in which it fires, all its findings there, and a similar case in which it does not fire."""

    code: str
    fires: Callable[[], Case]
    findings: Expected
    near_miss: Callable[[], Case]


def error(field: str, at: int | None = None) -> Expected:
    return ((ERROR, field, at),)


def warning(field: str, at: int | None = None) -> Expected:
    return ((WARNING, field, at),)


def info(field: str, at: int | None = None) -> Expected:
    return ((INFO, field, at),)


def guest(
    table: Sequence[Range] | None = MAP,
    *,
    modules: Sequence[tuple[int, int, int, int]] = ((RAMDISK, RAMDISK_SIZE, 0, 0),),
    puts: Sequence[tuple[int, bytes]] = (),
    registers: Mapping[str, int | None] | None = None,
    image: ImageFacts | None = LINUX,
    **info: int,
) -> build.Guest:
    """Return a machine at its entry; `info` has the fields of start_info that differ from the usual values."""
    vm = build.linux_guest(image)
    vm.image = image
    usual = {"nr_modules": len(modules), "modlist_paddr": MODLIST if modules else 0, "cmdline_paddr": CMDLINE}
    usual |= {"memmap_paddr": MEMMAP, "memmap_entries": len(table)} if table is not None else {"version": 0}
    vm.put(START_INFO, bytes(StartInfo.SIZE))
    vm.put(START_INFO, build.start_info(**usual | info))
    if table:
        vm.put((usual | info).get("memmap_paddr", MEMMAP), build.memmap(table))
    vm.put(MODLIST, build.modlist(*modules))
    vm.run_at(0x1000850, "fc0f0115")
    for paddr, data in puts:
        vm.put(paddr, data)
    vm.registers.update(registers or {})
    return vm


def entry(
    table: Sequence[Range] | None = MAP,
    *,
    machine: MachineFacts = MACHINE,
    symbols: Mapping[str, int] = UPSTREAM,
    **differences: Any,  # noqa: ANN401 - the arguments of another function
) -> Case:
    """Return a case at the entry; `differences` is passed to guest()."""
    vm = guest(table, **differences)
    return Case(Stop(_with_symbols(vm.at("entry"), symbols), (), vm.image), machine)


def _with_symbols(capture: Capture, symbols: Mapping[str, int]) -> Capture:
    return capture._replace(symbols={**capture.symbols, **symbols})


def blob(
    ranges: Sequence[Range] = MAP,
    name: bytes = b"e820 data",
    size: int | None = None,
    **differences: Any,  # noqa: ANN401 - the arguments of another function
) -> dict[str, Any]:
    """Return the arguments with which guest() passes its memory map in the 2017 RFC protocol."""
    data = build.e820_blob(ranges)
    module = (BLOB, len(data) if size is None else size, NAME, 0)
    return {
        "table": None,
        "modules": ((RAMDISK, RAMDISK_SIZE, 0, 0), module),
        "puts": ((BLOB, data), (NAME, name + b"\0")),
        **differences,
    }


def prepare(
    copy: Mapping[int, bytes] | None = None,
    symbols: Mapping[str, int] = UPSTREAM,
    **differences: Any,  # noqa: ANN401 - the arguments of another function
) -> Case:
    """Return a case at xen_prepare_pvh; `copy` has the bytes that differ in pvh_start_info, by offset.

    `differences` are passed to guest().
    """
    machine = differences.pop("machine", MACHINE)
    assert isinstance(machine, MachineFacts)
    vm = guest(**differences)
    first = vm.at("entry")
    _enter_kernel(vm, copy or {})
    return Case(Stop(_with_symbols(vm.at("prepare", START_INFO), symbols), (first,), vm.image), machine)


def _enter_kernel(vm: build.Guest, copy: Mapping[int, bytes]) -> None:
    build.page_tables(vm)
    vm.symbols = {name: KERNEL_MAP + paddr for name, paddr in VARIABLES.items()}
    vm.put(VARIABLES["pvh_start_info"], vm.memory.get(START_INFO, StartInfo.SIZE))
    for offset, data in copy.items():
        vm.put(VARIABLES["pvh_start_info"] + offset, data)
    vm.run_at(UPSTREAM["xen_prepare_pvh"], "f30f1efa")


def bootparams(params: Mapping[int, bytes] | None = None, symbols: Mapping[str, int] = UPSTREAM) -> Case:
    """Return a case at the return from xen_prepare_pvh; `params` has the bytes that differ in pvh_bootparams."""
    stops = _stops(params or {})
    return Case(Stop(_with_symbols(stops[2], symbols), stops[:2], LINUX), MACHINE)


def _stops(params: Mapping[int, bytes]) -> tuple[Capture, ...]:
    stops = build.boot().stops
    original = stops[2].boot_params
    assert original is not None
    changed = BootParams(_changed(original.raw, params), original.at)
    return (*stops[:2], stops[2]._replace(boot_params=changed), *stops[3:])


def _changed(raw: bytes, changes: Mapping[int, bytes]) -> bytes:
    new = bytearray(raw)
    for offset, data in changes.items():
        new[offset : offset + len(data)] = data
    return bytes(new)


def kernel(changes: Mapping[int, bytes], symbols: Mapping[str, int] = UPSTREAM) -> Case:
    """Return a case at start_kernel; `changes` has the bytes that differ in boot_params, the kernel's copy."""
    stops = build.boot().stops
    copy = stops[3].kernel_boot_params
    assert copy is not None
    capture = stops[3]._replace(kernel_boot_params=BootParams(_changed(copy.raw, changes), copy.at))
    return Case(Stop(_with_symbols(capture, symbols), stops[:3], LINUX), MACHINE)


def e820(table: Sequence[Range], symbols: Mapping[str, int] = UPSTREAM) -> Case:
    """Return a case at the return of e820__memory_setup, with this e820_table."""
    vm = build.linux_guest()
    build.page_tables(vm)
    vm.symbols = {name: KERNEL_MAP + paddr for name, paddr in VARIABLES.items()}
    stops = build.boot().stops
    params = stops[3].kernel_boot_params
    assert params is not None
    vm.put(VARIABLES["boot_params"], params.raw)
    vm.put(VARIABLES["e820_table"], (KERNEL_MAP + build.TABLE).to_bytes(8, "little"))
    vm.put(build.TABLE, build.e820_blob(table))
    vm.run_at(0xFFFFFFFF8305B541, "4889c7")
    return Case(Stop(_with_symbols(vm.at("e820"), symbols), stops[:4], LINUX), MACHINE)


def after(case: Case) -> Case:
    """Return the case as one whose machine has left the stage."""
    capture = case.capture._replace(missing={MISSING_STAGE: f"after {case.capture.stage}, at no stage"})
    return Case(case.stop._replace(capture=capture), case.machine)


def verdict(slug: str, severity: str = "fatal") -> Case:
    """Return a case at the entry of an image for which preflight has this verdict."""
    return entry(image=LINUX._replace(verdicts=(Verdict(slug, severity, "this", "do that"),)))


def died(
    *,
    code: str = "0f0b",
    how: str = "triple-fault",
    message: str = "",
    reached: str | None = "prepare",
    symbols: Mapping[str, int] = UPSTREAM,
    cpu: Mapping[str, int | None] | None = None,
    **differences: Any,  # noqa: ANN401 - the arguments of another function
) -> Case:
    """Return a case of a guest that died in or before xen_prepare_pvh, with the registers in `cpu`.

    `differences` are passed to prepare().
    """
    before = prepare(symbols=symbols, **differences)
    vm = build.linux_guest(before.image)
    build.page_tables(vm)
    vm.image = before.image
    rip = 0x1000900 if reached in (None, "entry") else BUG_AT
    vm.run_at(rip, code)
    vm.registers.update(cpu or {})
    history = {None: (), "entry": before.earlier}.get(reached, before.history)
    outcome = Outcome(reached, DEAD, Death(how, rip, "xen_prepare_pvh+0xa9", message))
    return Case(Stop(vm.at("died"), history, before.image), before.machine, outcome)


def waiting(
    for_stage: str = "bootparams",
    **differences: Any,  # noqa: ANN401 - the arguments of another function
) -> Case:
    """Return a case of a guest that is still running but did not reach `for_stage` in time."""
    before = prepare(**differences)
    outcome = Outcome("prepare", TIMED_OUT, None, for_stage, 0x1000, "panic")
    return Case(before.stop, before.machine, outcome)


def halted_early() -> Case:
    """Return a case of a guest that printed a line and halted for good before `bootparams`."""
    case = waiting()
    assert case.outcome is not None
    seen = Watched("halted", 0, 0x1000, "panic", serial=("no way",))
    return Case(case.stop, case.machine, case.outcome._replace(watched=seen))


def reset_after_panic(**differences: Any) -> Case:  # noqa: ANN401 - the arguments of another function
    """Return a case of a guest that was reset after its kernel had panicked. `differences` are passed to died()."""
    case = died(**differences)
    assert case.outcome is not None
    seen = Watched("panicked", 0, 0x1000, "panic", "no cheese")
    return Case(case.stop, case.machine, case.outcome._replace(watched=seen))


def foreign(
    *,
    code: str = "90",
    cpu: Mapping[str, int | None] | None = None,
    puts: Sequence[tuple[int, bytes]] = (),
    image: ImageFacts | None = HOBBY,
    rip: int = 0x1000900,
    at_entry: Mapping[str, int] | None = None,
) -> Case:
    """Return a case of a guest that is not Linux and died after its entry, in long mode unless `cpu` says otherwise.

    `puts` are in memory when the guest dies. `at_entry` are registers at the entry.
    """
    first = guest(registers={"idtr.limit": 0xFFFF, **(at_entry or {})}, image=image).at("entry")
    vm = build.linux_guest(image)
    vm.image = image
    build.page_tables(vm)
    vm.registers.update({"idtr.limit": 0xFFFF, "rsp": 0x1FF000, **(cpu or {})})
    vm.run_at(rip, code.ljust(32, "0"))
    for paddr, data in puts:
        vm.put(paddr, data)
    outcome = Outcome("entry", DEAD, Death("triple-fault", rip, None, ""))
    return Case(Stop(vm.at("died"), (first,), image), MACHINE, outcome)


def watched(
    ended: str,
    message: str = "",
    *,
    rip: int | None = 0xFFFFFFFF8305D96D,
    symbol: str | None = "e820__finish_early_params+0x36",
    machine: MachineFacts = MACHINE,
    log: tuple[str, ...] = (),
    **differences: Any,  # noqa: ANN401 - the arguments of another function
) -> Case:
    """Return a case of a guest that reached the last stage and was then watched.

    `differences` are passed to entry(): what the VMM handed over.
    """
    outcome = Outcome("e820", DONE, watched=Watched(ended, 100, rip, symbol, message, log=log))
    stop = e820(MAP).stop
    if differences:
        first = entry(**differences).capture
        stop = stop._replace(earlier=(first, *stop.earlier[1:]))
    return Case(stop, machine, outcome)
