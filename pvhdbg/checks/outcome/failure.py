"""Facts about a run that several rules use: how the guest died, the code at RIP, the failed condition, its text.

Text of the guest is escaped and cut here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi.cpu import CR0_PG, CR4_PAE, EFER_LME, MSR_EFER, WRMSR
from pvhdbg.abi.start_info import MAGIC
from pvhdbg.abi.text import printable_start
from pvhdbg.boot.model.predicted import BUG
from pvhdbg.boot.record.document import PANICKED
from pvhdbg.boot.stop.address import code_paddr, location_suffix
from pvhdbg.boot.stop.protocols import MEMMAP
from pvhdbg.boot.stop.stop import Stop
from pvhdbg.checks.case import Case
from pvhdbg.checks.finding import ERROR
from pvhdbg.checks.rules import RULES
from pvhdbg.image.facts import EM_X86_64

if TYPE_CHECKING:
    from pvhdbg.boot.record.document import Death

_OPCODE_SIZE = 2
_MAX_QUOTED = 120
"""How many characters of the guest's text a message quotes."""
RAMDISK = "ramdisk"
_LOSSES = {
    "command line": ("PVH108", "PVH320", "PVH321", "PVH322", "PVH324", "PVH403"),
    RAMDISK: ("PVH301", "PVH303", "PVH304", "PVH305", "PVH306", "PVH313", "PVH314", "PVH404"),
}
"""The rules whose errors say that Linux lost something that it needs to find its root file system and init."""
MEMORY_MAP, _MAP_ERRORS = "memory map", ("PVH204", "PVH207", "PVH208", "PVH212", "PVH213")
"""The rules whose errors say that Linux does not get a usable memory map, without which it panics."""
_NO_XEN = ", and the guest is not on Xen, which could supply a map"


def death_of(case: Case) -> Death | None:
    return case.outcome.died if case.outcome else None


def has_panicked(case: Case) -> bool:
    """Return whether the kernel panicked, even if the machine was then reset."""
    watched = case.outcome.watched if case.outcome else None
    return watched is not None and watched.ended == PANICKED


def last_stage(case: Case) -> str | None:
    """Return the last stage that the guest reached."""
    return case.outcome.reached if case.outcome else None


def _rip(case: Case) -> int | None:
    death = death_of(case)
    return case.capture.rip if death is None or death.rip is None else death.rip


def rip_paddr(case: Case) -> int | None:
    """Return RIP as a physical address, or None if it is not known."""
    return code_paddr(case.capture, case.image, _rip(case))


def opcode(case: Case) -> bytes:
    """Return the first two bytes of the instruction at RIP, or no bytes if they were not read."""
    paddr = rip_paddr(case)
    return (None if paddr is None else case.capture.bytes_at(paddr, _OPCODE_SIZE)) or b""


def at_rip(case: Case) -> str:
    """Return ` at ADDRESS SYMBOL` for a message, or the empty string if RIP is not known."""
    death = death_of(case)
    return location_suffix(_rip(case), death.symbol if death else None)


def is_entry_overwritten(case: Case) -> bool:
    """Return whether the code at the entry differed from the kernel file, so that the guest ran something else."""
    stop, entry = case.last_stop_at("entry"), case.image.entry if case.image else None
    return stop is not None and entry is not None and any(it.paddr <= entry < it.end for it in stop.overwritten)


def last_serial_line(case: Case) -> str:
    """Return the last line on the guest's serial console that is not blank; an empty string if none is known."""
    watched = case.outcome.watched if case.outcome else None
    lines = (line.strip() for line in reversed(watched.serial if watched else ()))
    return printable_start(next(filter(None, lines), ""), _MAX_QUOTED)


def quoted(text: str) -> str:
    """Return a text that the kernel printed for the middle of a sentence: escaped, and cut if it is long."""
    return printable_start(text.rstrip(" .!"), _MAX_QUOTED)


def failed_condition(case: Case) -> tuple[str, str]:
    """Return the field that made xen_prepare_pvh hit a BUG, and why.

    The model predicts them; if it predicts no BUG for this kernel, they are derived from the boot data.
    """
    death = case.predicted_death
    info = case.boot_data_stop.effective_start_info if case.boot_data_stop else None
    memory_map = case.boot_data_stop.memory_map if case.boot_data_stop else None
    if death and death.kind == BUG:
        no_xen = "" if info is None or info.magic != MAGIC else _NO_XEN
        only_rfc = '; only a kernel built with the 2017 RFC patches reads the "e820 data" module'
        return death.field, death.why + no_xen + (only_rfc if memory_map and memory_map.is_module else "")
    if info is None:
        return "registers.rip", "the cause is unknown, because the boot data was not captured"
    if info.magic != MAGIC:
        return "start_info.magic", f"magic is {info.magic:#x}, not {MAGIC:#x}"
    if memory_map is not None and memory_map.protocol != MEMMAP:
        name = "memmap_entries" if info.version else "version"
        return f"start_info.{name}", f"{name} is 0, so there is no memory map{_NO_XEN}"
    return "registers.rip", "the cause is unknown, because the boot data meets all known conditions"


def lost_boot_data(case: Case) -> str:
    """Return a sentence about the command line and the ramdisk that did not reach Linux; empty if both did.

    It names the errors that rules report at any stop. At the end of a run, these rules do not run again.
    """
    cases, lost = _at_each_stop(case), []
    for name, codes in _LOSSES.items():
        found = [code for code in codes if any(_has_loss(code, name, at_stop) for at_stop in cases)]
        lost += [f"its {name} ({', '.join(found)})"] if found else []
    return f"The kernel lost {' and '.join(lost)}: correct this first." if lost else ""


def map_errors(case: Case) -> str:
    """Return a sentence about the errors of the memory map that rules report at any stop; empty if there are none."""
    cases = _at_each_stop(case)
    found = [code for code in _MAP_ERRORS if any(_has_loss(code, MEMORY_MAP, at_stop) for at_stop in cases)]
    return f"Its memory map has errors ({', '.join(found)}): correct them first." if found else ""


def _at_each_stop(case: Case) -> list[Case]:
    stops = case.history
    return [
        Case(Stop(stop, stops[:index], case.image), case.machine, symbols=case.symbols)
        for index, stop in enumerate(stops)
    ]


def _has_loss(code: str, name: str, case: Case) -> bool:
    """Return whether a rule reports an error. PVH108 is about all addresses, but only one is the command line's."""
    findings = RULES[code].findings(case) if code in RULES else ()
    return any(
        finding.severity == ERROR and (name in (RAMDISK, MEMORY_MAP) or "cmd" in finding.field) for finding in findings
    )


def boot_data_address(case: Case, path: str) -> int | None:
    """Return the physical address of a field of what the VMM passed, not of the kernel's copy."""
    stop = case.boot_data_stop
    if stop is None:
        return None
    if path == "memory_map.nr_entries":
        return stop.memory_map.paddr if stop.memory_map else None
    head, _, name = path.partition(".")
    second = (stop.modules or ())[1:2]
    records = {
        "start_info": stop.start_info or stop.effective_start_info,
        "modules[1]": second[0].entry if second else None,
    }
    record = records.get(head)
    return record.address_of(record.field(name)) if record else None


def missing_long_mode(case: Case) -> str | None:
    """Return what shows that the CPU has no long mode, if the guest died on its way to long mode."""
    registers = case.capture.registers
    cr0, cr4, efer, rcx, rax = (registers.get(name) or 0 for name in ("cr0", "cr4", "efer", "rcx", "rax"))
    if death_of(case) is None or last_stage(case) != "entry" or efer & EFER_LME:
        return None
    if opcode(case) == WRMSR and rcx == MSR_EFER and rax & EFER_LME:
        return "the wrmsr that sets EFER.LME was refused"
    is_64_bit = case.image is not None and case.image.machine == EM_X86_64
    if is_64_bit and cr0 & CR0_PG and cr4 & CR4_PAE:
        return "paging is on, but EFER.LME is still clear"
    return None
