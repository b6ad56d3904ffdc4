"""The CPU's state, Xen's ELF notes, and values that pvhdbg derives, as topics."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

from pvhdbg.abi import cpu, notes
from pvhdbg.abi.roles import actors
from pvhdbg.abi.start_info import StartInfo
from pvhdbg.views.explain.topic import Explanation, Topic
from pvhdbg.views.rows.cpu_rows import ADDRESS_KINDS
from pvhdbg.views.rows.map_rows import PROTOCOLS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pvhdbg.abi.layout import Name

REGISTERS, BITS, MODES, NOTES, DERIVED = "registers", "CPU bits", "CPU modes", "Xen notes", "derived values"

_SDM = "Intel SDM volume 3, chapter 2; AMD APM volume 2, chapter 3"
_UNSPECIFIED = "At the PVH entry it can hold any value."


def registers() -> Iterator[Topic]:
    for name in cpu.REGISTERS:
        yield Topic(REGISTERS, name, tuple(_register_keys(name)), partial(_register, name))
    for name in ("gdtr", "idtr"):
        yield Topic(REGISTERS, name, (f"registers.{name}",), partial(_register, name))


def _register_keys(name: str) -> Iterator[str]:
    """Yield a register's names, including its name in 32-bit code, which the ABI uses, such as EBX."""
    yield f"registers.{name}"
    if re.fullmatch(r"r[a-z]{2}", name):
        yield f"registers.e{name[1:]}"


def _register(name: str) -> Explanation:
    required = [state for state in cpu.ENTRY_STATE if state.register == name or state.register.startswith(f"{name}.")]
    bits = cpu.NAMED_BITS[name].names if name in cpu.NAMED_BITS else {}
    return Explanation(
        name,
        "register",
        meaning=_meaning(name),
        source=f"{_SDM}; {cpu.ENTRY_STATE_SOURCE}",
        details=tuple(_required(required)) or (_AT_ENTRY.get(name, _UNSPECIFIED),),
        values=tuple((_bit(mask), bit.name, bit.meaning) for mask, bit in bits.items()),
    )


def _required(requirements: Sequence[cpu.Requirement]) -> Iterator[str]:
    """Yield what the ABI requires at the entry, in one paragraph per reason."""
    for why, added_later in dict.fromkeys((state.why, state.added_later) for state in requirements):
        values = ", ".join(state.meaning for state in requirements if state.why == why)
        exception = " (older versions of the ABI do not)" if added_later else ""
        yield f"At the PVH entry the ABI requires {values}{exception}. {why[0].upper()}{why[1:]}."


def _bit(mask: int) -> str:
    return f"bit {mask.bit_length() - 1}"


def _meaning(name: str) -> str:
    head, _, part = name.partition(".")
    if part:
        return f"{_PARTS[part]} {_REGISTERS[head]}"
    return _REGISTERS.get(name, "general register")


_PARTS = {"base": "base address of the", "limit": "last valid offset in the", "flags": "descriptor attributes of the"}
_REGISTERS = {
    "rip": "instruction pointer",
    "rbx": "general register",
    "rsp": "stack pointer",
    "eflags": "status and control flags",
    "cs": "code segment",
    "ss": "stack segment",
    "ds": "data segment",
    "es": "extra data segment",
    "fs": "FS segment",
    "gs": "GS segment",
    "fs_base": "base address of FS in 64-bit code",
    "gs_base": "base address of GS in 64-bit code",
    "k_gs_base": "base address that SWAPGS swaps with the base address of GS",
    "cr0": "control register: protection, paging, caches",
    "cr2": "address that caused the last page fault",
    "cr3": "physical address of the top-level page table",
    "cr4": "control register: extensions in use",
    "cr8": "task priority: interrupts of this or a lower priority are blocked",
    "efer": "control register (an MSR): long mode and other extensions",
    "ldt": "local descriptor table",
    "tr": "task state segment (TSS)",
    "gdtr": "global descriptor table",
    "idtr": "interrupt descriptor table",
    "a20": "state of address line 20; if it is off, every odd MiB of memory is an alias of the MiB below",
}
_AT_ENTRY = {
    "rip": "At the PVH entry it holds the address in the Xen note PHYS32_ENTRY.",
    "rbx": "At the PVH entry EBX holds the physical address of struct hvm_start_info, which leads to everything else.",
    "rax": f"{_UNSPECIFIED} qboot leaves 0x2badb002, the magic number of multiboot.",
    "rsp": f"{_UNSPECIFIED} 0 is common. A kernel must set ESP before it pushes anything (PVH908).",
    "cr3": f"{_UNSPECIFIED} The kernel sets it before it enables paging.",
    "efer": f"{_UNSPECIFIED} A 64-bit kernel sets LME before it enables paging.",
    "gdtr": f"{_UNSPECIFIED} A kernel must load its own GDT before it loads a segment register.",
    "idtr": f"{_UNSPECIFIED} There is no IDT that could handle a fault.",
    "a20": "The ABI does not mention it. Every guest expects it to be on (PVH127).",
    **dict.fromkeys((f"r{number}" for number in range(8, 16)), "Exists only in 64-bit code, so not at the PVH entry."),
}


def bits() -> Iterator[Topic]:
    for register, names in cpu.NAMED_BITS.items():
        for mask, bit in names.names.items():
            name = f"{register.upper()}.{bit.name}"
            yield Topic(BITS, name, (name, f"registers.{name}"), partial(_bit_of, register, mask, bit))


def _bit_of(register: str, mask: int, bit: Name) -> Explanation:
    required = [state for state in cpu.ENTRY_STATE if state.register == register and state.mask & mask]
    name = f"{register.upper()}.{bit.name}"
    values = [f"At the PVH entry it must be {int(bool(state.expected & mask))}." for state in required]
    return Explanation(
        name,
        "flag",
        f"{_bit(mask)} ({mask:#x}) of {register.upper()}",
        bit.meaning,
        source=_SDM,
        details=(*([_BIT_TEXTS[name]] if name in _BIT_TEXTS else []), *values),
    )


_BIT_TEXTS = {
    "CR0.PE": "If it is 0, the CPU is in real mode.",
    "CR0.PG": "The kernel sets it between the stages entry and prepare, after it has put its page tables into CR3.",
    "CR4.PAE": "The kernel sets it before it enables paging. Long mode requires it.",
    "EFER.LME": "A 64-bit kernel sets it before it enables paging.",
    "EFER.LMA": "The CPU sets it when the kernel enables paging with LME set.",
    "EFLAGS.IF": "Without an IDT the first interrupt is a triple fault.",
}
"""Remarks about the bits that matter between the entry and the first C code."""


def modes() -> Iterator[Topic]:
    for name, meaning in cpu.CPU_MODES.items():
        yield Topic(MODES, name, (f"cpu_mode.{name}",), partial(_mode, name, meaning))


def _mode(name: str, meaning: str) -> Explanation:
    return Explanation(f"CPU mode {name}", meaning=meaning, source="Intel SDM volume 3, chapter 2 and 5.2")


def xen_notes() -> Iterator[Topic]:
    for number, note in notes.XEN_NOTES.items():
        keys = (note.name, f"XEN_ELFNOTE_{note.name}", str(number))
        yield Topic(NOTES, note.name, keys, partial(_note, number))


_KINDS = {
    notes.NUM: "number of 4 or 8 bytes",
    notes.STR: "text",
    notes.PAIRS: "pairs of mask and value",
    notes.RELOC: "up to three u32",
    notes.RAW: "bytes",
}
_PHYS32_ENTRY = (
    "The only note that a kernel needs to boot via PVH. QEMU checks only the number; Cloud Hypervisor and Firecracker "
    "also require the owner Xen."
)
_READERS = {
    notes.PHYS32_ENTRY: ("every VMM that boots kernels via PVH", _PHYS32_ENTRY),
    notes.PHYS32_RELOC: (
        "the domain builders of Xen 4.20 and later",
        "Linux 6.12 and later has this note. Other VMMs ignore it and load the kernel at its p_paddr.",
    ),
}


def _note(number: int) -> Explanation:
    note = notes.XEN_NOTES[number]
    read_by, text = _READERS.get(number, ("Xen and its toolstack", "A PVH boot does not need it."))
    return Explanation(
        f"Xen note {note.name}",
        _KINDS[note.kind],
        f"ELF note of owner Xen, type {number if number < 0x1000 else hex(number)}",
        note.meaning,
        "the kernel's build" if number < 0x1000 else "Xen's toolstack, in a dump",
        read_by,
        "Xen xen/include/public/elfnote.h",
        (text,),
    )


def derived_values() -> Iterator[Topic]:
    for key, explanation in _DERIVED.items():
        yield Topic(DERIVED, key, (key,), partial(explanation._replace, title=key))


def _values(names: dict[str, str]) -> tuple[tuple[str, str, str], ...]:
    return tuple(("", name, meaning) for name, meaning in names.items())


_MEMORY_MAP = Explanation("", written_by=actors.VMM, read_by=actors.PVH, source=StartInfo.SOURCE)
_DERIVED = {
    "cpu_mode": Explanation(
        "",
        meaning="kind of code that the CPU runs",
        details=("Derived from CR0.PE, CR0.PG, CR4.PAE, EFER.LMA and the flags of the code segment.",),
        source=_SDM,
        values=_values(cpu.CPU_MODES),
    ),
    "address_kind": Explanation(
        "",
        meaning="kind of address that RIP holds",
        details=(
            "The VMM enters the kernel at a physical address. The kernel enables paging in the identity map.",
            "The kernel's C code runs in the kernel map; in some older kernels, it starts in the identity map.",
        ),
        source="Linux arch/x86/platform/pvh/head.S",
        values=_values(ADDRESS_KINDS),
    ),
    "memory_map": _MEMORY_MAP._replace(
        meaning="memory map that the VMM passed, in any protocol",
        details=("Linux copies it to boot_params.e820_table, from which it later builds *e820_table.",),
    ),
    "memory_map.protocol": _MEMORY_MAP._replace(
        meaning="how the VMM passed the memory map",
        details=(
            "Linux 5.0 and later reads only memmap; a kernel built with the 2017 RFC patches reads only e820-module.",
        ),
        values=_values(PROTOCOLS),
    ),
    "memory_map.paddr": _MEMORY_MAP._replace(
        ctype="u64",
        meaning="address of the memory map",
        details=("start_info.memmap_paddr, or the paddr of module 1.",),
    ),
    "memory_map.nr_entries": _MEMORY_MAP._replace(
        ctype="u32",
        meaning="number of entries that the VMM passed",
        details=(
            "start_info.memmap_entries, or the count at the start of module 1. pvhdbg may not be able to read so many.",
        ),
    ),
}
