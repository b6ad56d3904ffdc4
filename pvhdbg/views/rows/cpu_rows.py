"""The CPU as rows: mode, registers, control bits by name, segments, descriptor tables, A20."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi.cpu import CR0_PG, NAMED_BITS, SEGMENTS, segment_kind
from pvhdbg.abi.paging import Paging, walk
from pvhdbg.boot.stop import page_tables
from pvhdbg.boot.stop.address import linear_address
from pvhdbg.boot.stop.capture import IDENTITY, KERNEL, PHYSICAL
from pvhdbg.errors import TargetError
from pvhdbg.views.rows import pointer_chain, segment_rows
from pvhdbg.views.rows.missing import missing_reason
from pvhdbg.views.rows.row import NOTHING, Row, absent

if TYPE_CHECKING:
    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.views.rows.segment_rows import Gdt

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
CHANGING = ("cr0", "cr4", "efer")
"""The registers whose rows name the bits that changed."""
_GENERAL = ("rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", *(f"r{number}" for number in range(8, 16)))
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
    """Return the rows of the registers, and a row for every entry of the GDT."""
    return [*register_rows(capture), *segment_rows.gdt_rows(capture)]


def register_rows(capture: Capture) -> list[Row]:
    """Return a row for the CPU mode and for every captured register.

    A segment register and its base, limit and flags, which QEMU's monitor reports, share one row.
    """
    points_to = _Pointers(capture)
    rows, gdt = [Row("cpu_mode", "cpu mode", capture.cpu_mode, mode_words(capture))], segment_rows.gdt(capture)
    for name in capture.registers:
        head, _, part = name.partition(".")
        if name in SEGMENTS:
            rows.append(_segment(capture, name, gdt))
        elif head in _TABLES:
            rows += [_table(capture, head)] if part == "base" else []
        elif not part:
            rows.append(_register(capture, name, points_to))
    return rows


class _Pointers:
    """Which registers point to what pvhdbg knows: boot data, its strings, the GDT."""

    def __init__(self, capture: Capture) -> None:
        self._places = pointer_chain.places(capture)
        self._paging, self._tables = page_tables.paging_of(capture.registers), page_tables.of_capture(capture)

    def of(self, value: int) -> tuple[str, int | None]:
        """Return the name of what is at a linear address, and its physical address; an empty name if not known."""
        if not value or self._paging is None:
            return "", None
        try:
            paddr = walk(self._tables, self._paging, value).paddr
        except TargetError:
            return "", None
        place = None if paddr is None else self._places.get(paddr)
        return (place.name or place.path, paddr) if place else ("", None)


def changed_bits(name: str, before: int, after: int) -> str:
    """Return the named bits of a register that were set and cleared: `+PG +WP -TS`; empty if it has no named bits."""
    signs = (("+", after & ~before), ("-", before & ~after))
    known = NAMED_BITS.get(name)
    if known is None:
        return ""
    return " ".join(f"{sign}{bit}" for sign, bits in signs if bits for bit in known.text(bits).split(" | "))


def with_changed_bits(row: Row, before: int | None) -> Row:
    """Return the row of CR0, CR4 or EFER with the bits that changed since it had the value `before`."""
    name = row.path.removeprefix("registers.")
    if before is None or name not in CHANGING or row.value == NOTHING:
        return row
    words = changed_bits(name, before, int(row.value, 16))
    return row._replace(meaning=f"{words}; {row.meaning}".removesuffix("; ")) if words else row


def shortened(row: Row, before: object = None) -> Row:
    """Return a row with a shorter meaning: the mode without paging; the bits of a register, a new one with a plus."""
    name = row.path.removeprefix("registers.")
    if row.path == "cpu_mode":
        return row._replace(meaning=MODES.get(row.value, row.meaning))
    if name not in NAMED_BITS or row.value == NOTHING:
        return row
    value, known = int(row.value, 16), NAMED_BITS[name]
    old = before if isinstance(before, int) and name in CHANGING else value
    cleared = f" -{known.text(old & ~value).replace(' | ', ' -')}" if old & ~value else ""
    new = known.text(value & ~old).split(" | ") if value & ~old else []
    bits = (f"+{bit}" if bit in new else bit for bit in known.text(value).split(" | "))
    return row._replace(meaning=f"{' '.join(bits)}{cleared}")


def _register(capture: Capture, name: str, pointers: _Pointers) -> Row:
    value, path = capture.registers[name], f"registers.{name}"
    if value is None:
        return absent(capture, path, name)
    if name == "a20":
        return Row(path, name, str(value), "on" if value else "off: address bit 20 is always 0")
    meaning, leads_to = _meaning(capture, name, value), _target(capture, name, value)
    if name in _GENERAL and not meaning:
        what, leads_to = pointers.of(value)
        meaning = f"address of {what}" if what else ""
    return Row(path, name, f"{value:#x}", meaning, leads_to=leads_to)


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


def _segment(capture: Capture, name: str, gdt: Gdt) -> Row:
    selector, path = capture.registers[name], f"registers.{name}"
    if selector is None:
        return absent(capture, path, name)
    base, limit, flags = (capture.registers.get(f"{name}.{part}") for part in ("base", "limit", "flags"))
    if base is None or limit is None or flags is None:
        return Row(path, name, f"{selector:#x}", _missing_reason(capture, name, "base", "limit", "flags"))
    source = segment_rows.from_entry(capture, gdt, name)
    kind = f"{segment_kind(flags)}{f' {source}' if source else ''}"
    return Row(path, name, f"{selector:#x}", f"{kind}, base {base:#x}, limit {limit:#x}, flags {flags:#x}")


def _table(capture: Capture, name: str) -> Row:
    base, limit = (capture.registers.get(f"{name}.{part}") for part in ("base", "limit"))
    if base is None or limit is None:
        return Row(f"registers.{name}.base", name, NOTHING, _missing_reason(capture, name, "base", "limit"))
    return Row(
        f"registers.{name}.base", name, f"{base:#x}", f"limit {limit:#x}", leads_to=_table_target(capture, name, base)
    )


def _table_target(capture: Capture, name: str, base: int) -> int | None:
    """Return the physical address of a table; None if the base is a linear address and the walk was not captured."""
    if name == "gdtr" and (gdt := segment_rows.gdt(capture)).paddr is not None:
        return gdt.paddr
    return base if capture.address_kind == PHYSICAL else None


def _missing_reason(capture: Capture, name: str, *parts: str) -> str:
    """Return why a part of a register is missing: the reason of the first part that has one."""
    paths = [f"registers.{name}.{part}" for part in parts]
    return missing_reason(capture, next((path for path in paths if path in capture.missing), paths[0]))
