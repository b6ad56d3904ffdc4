"""The CPU as rows: mode, registers, control bits by name, segments, descriptor tables, A20."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi.cpu import CR0_PG, NAMED_BITS, SEGMENTS, segment_kind
from pvhdbg.abi.paging import Paging
from pvhdbg.boot.stop.address import linear_address
from pvhdbg.boot.stop.capture import IDENTITY, KERNEL, PHYSICAL
from pvhdbg.views.rows.missing import missing_reason
from pvhdbg.views.rows.row import NOTHING, Row, absent

if TYPE_CHECKING:
    from pvhdbg.boot.stop.capture import Capture

MODES = {
    "real16": "16-bit real mode",
    "protected16": "16-bit protected mode",
    "protected32": "32-bit protected mode",
    "paged32": "32-bit protected mode",
    "pae32": "32-bit protected mode",
    "compat32": "32-bit code in long mode",
    "long64": "64-bit long mode",
    "unknown": "unknown CPU mode",
}
ADDRESS_KINDS = {
    PHYSICAL: "physical",
    IDENTITY: "virtual, identity-mapped",
    KERNEL: "virtual, kernel mapping",
}
_TABLES = ("gdtr", "idtr")


def mode_words(capture: Capture) -> str:
    """Describe the CPU mode: `64-bit long mode, paging on (4 levels)`."""
    return f"{MODES[capture.cpu_mode]}, {paging_words(capture)}"


def paging_words(capture: Capture) -> str:
    """Return whether paging is on, and the number of page table levels, as far as the registers are known."""
    cr0, cr3, cr4, efer = (capture.registers.get(name) for name in ("cr0", "cr3", "cr4", "efer"))
    if cr0 is None:
        return "paging unknown"
    if not cr0 & CR0_PG:
        return "paging off"
    if cr3 is None or cr4 is None or efer is None:
        return "paging on"
    return f"paging on ({len(Paging(cr0, cr3, cr4, efer).levels())} levels)"


def rip_words(capture: Capture) -> str:
    """Return the kind of address that RIP holds. If the base of CS is not 0, add the linear address."""
    kind = ADDRESS_KINDS.get(capture.address_kind or "", "")
    address = None if capture.rip is None else linear_address(capture.rip, capture.registers)
    if not kind or address is None or address == capture.rip:
        return kind
    return f"{kind} {address:#x} with cs.base {capture.registers.get('cs.base') or 0:#x}"


def cpu_rows(capture: Capture) -> list[Row]:
    """Return a row for the CPU mode and for every captured register.

    A segment register and its base, limit and flags, which QEMU's monitor reports, share one row.
    """
    rows = [Row("cpu_mode", "cpu mode", capture.cpu_mode, mode_words(capture))]
    for name in capture.registers:
        head, _, part = name.partition(".")
        if name in SEGMENTS:
            rows.append(_segment(capture, name))
        elif head in _TABLES:
            rows += [_table(capture, head)] if part == "base" else []
        elif not part:
            rows.append(_register(capture, name))
    return rows


def _register(capture: Capture, name: str) -> Row:
    value, path = capture.registers[name], f"registers.{name}"
    if value is None:
        return absent(capture, path, name)
    if name == "a20":
        return Row(path, name, str(value), "on" if value else "off: address bit 20 is always 0")
    return Row(path, name, f"{value:#x}", _meaning(capture, name, value), leads_to=_target(capture, name, value))


def _meaning(capture: Capture, name: str, value: int) -> str:
    if name in NAMED_BITS:
        return NAMED_BITS[name].text(value)
    if name == "rip":
        return rip_words(capture)
    if name == "rbx" and capture.start_info and capture.start_info.at == value:
        return "start_info"
    return "page tables" if name == "cr3" and value else ""


def _target(capture: Capture, name: str, value: int) -> int | None:
    """Return the physical address that a register points to, or None if only a page walk could find it."""
    if name == "cr3":
        return value & ~0xFFF or None
    if name in ("rip", "rsp"):
        value = linear_address(value, capture.registers) if name == "rip" else value
        return value if capture.address_kind in (PHYSICAL, IDENTITY) else None
    return value if name == "rbx" and _meaning(capture, name, value) else None


def _segment(capture: Capture, name: str) -> Row:
    selector, path = capture.registers[name], f"registers.{name}"
    if selector is None:
        return absent(capture, path, name)
    base, limit, flags = (capture.registers.get(f"{name}.{part}") for part in ("base", "limit", "flags"))
    if base is None or limit is None or flags is None:
        return Row(path, name, f"{selector:#x}", _missing_reason(capture, name, "base", "limit", "flags"))
    meaning = f"base {base:#x}, limit {limit:#x}, flags {flags:#x}: {segment_kind(flags)}"
    return Row(path, name, f"{selector:#x}", meaning)


def _table(capture: Capture, name: str) -> Row:
    base, limit = (capture.registers.get(f"{name}.{part}") for part in ("base", "limit"))
    if base is None or limit is None:
        return Row(f"registers.{name}.base", name, NOTHING, _missing_reason(capture, name, "base", "limit"))
    return Row(f"registers.{name}.base", name, f"{base:#x}", f"limit {limit:#x}", leads_to=_table_target(capture, base))


def _table_target(capture: Capture, base: int) -> int | None:
    """Return the physical address of a table, or None while paging is on, because the base is a linear address."""
    return base if capture.address_kind == PHYSICAL else None


def _missing_reason(capture: Capture, name: str, *parts: str) -> str:
    """Return why a part of a register is missing: the reason of the first part that has one."""
    paths = [f"registers.{name}.{part}" for part in parts]
    return missing_reason(capture, next((path for path in paths if path in capture.missing), paths[0]))
