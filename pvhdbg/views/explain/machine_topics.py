"""What else can be explained: the CPU's state, Xen's ELF notes, and what the document adds of its own."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

from pvhdbg.abi import cpu, notes
from pvhdbg.abi.roles import words
from pvhdbg.abi.start_info import StartInfo
from pvhdbg.views.explain.topics import Explanation, Topic
from pvhdbg.views.rows.cpu_rows import ADDRESS_KINDS
from pvhdbg.views.rows.map_rows import PROTOCOLS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pvhdbg.abi.layout import Name

REGISTERS, BITS, MODES, NOTES, DOCUMENT = "registers", "CPU bits", "CPU modes", "Xen notes", "document"

_SDM = "Intel SDM volume 3, chapter 2; AMD APM volume 2, chapter 3"
_UNSPECIFIED = "At the PVH entry it may hold anything."


def registers() -> Iterator[Topic]:
    for name in cpu.REGISTERS:
        yield Topic(REGISTERS, name, tuple(_register_keys(name)), partial(_register, name))
    for name in ("gdtr", "idtr"):
        yield Topic(REGISTERS, name, (f"registers.{name}",), partial(_register, name))


def _register_keys(name: str) -> Iterator[str]:
    """Also its name in 32-bit code, as the ABI has it: EBX."""
    yield f"registers.{name}"
    if re.fullmatch(r"r[a-z]{2}", name):
        yield f"registers.e{name[1:]}"


def _register(name: str) -> Explanation:
    demands = [each for each in cpu.ENTRY_STATE if each.register == name or each.register.startswith(f"{name}.")]
    bits = cpu.NAMED_BITS[name].names if name in cpu.NAMED_BITS else {}
    return Explanation(
        name,
        "register",
        meaning=_meaning(name),
        source=f"{_SDM}; {cpu.ENTRY_STATE_SOURCE}",
        more=tuple(_demanded(demands)) or (_AT_ENTRY.get(name, _UNSPECIFIED),),
        values=tuple((_bit(mask), each.name, each.meaning) for mask, each in bits.items()),
    )


def _demanded(demands: Sequence[cpu.Demand]) -> Iterator[str]:
    """What the ABI wants, once for each reason."""
    for why, later in dict.fromkeys((each.why, each.later) for each in demands):
        when = "At the PVH entry, by today's text of the ABI but not by older ones" if later else "At the PVH entry"
        wanted = ", ".join(each.meaning for each in demands if each.why == why)
        yield f"{when}: {wanted}. {why[0].upper()}{why[1:]}."


def _bit(mask: int) -> str:
    return f"bit {mask.bit_length() - 1}"


def _meaning(name: str) -> str:
    head, _, part = name.partition(".")
    if part:
        return f"{_PARTS[part]} {_REGISTERS[head]}"
    return _REGISTERS.get(name, "general register")


_PARTS = {"base": "base address of the", "limit": "last valid offset of the", "flags": "descriptor's attributes of the"}
_REGISTERS = {
    "rip": "instruction pointer",
    "rbx": "general register",
    "rsp": "stack pointer",
    "eflags": "flags",
    "cs": "code segment",
    "ss": "stack segment",
    "ds": "data segment",
    "es": "extra data segment",
    "fs": "FS segment",
    "gs": "GS segment",
    "fs_base": "64-bit base of FS",
    "gs_base": "64-bit base of GS",
    "k_gs_base": "what SWAPGS exchanges with the base of GS",
    "cr0": "processor control: protection, paging, caches",
    "cr2": "address of the last page fault",
    "cr3": "physical address of the top page table",
    "cr4": "processor control: extensions in use",
    "cr8": "priority below which interrupts are held back",
    "efer": "long mode and other extensions",
    "ldt": "local descriptor table",
    "tr": "task state segment (the task register)",
    "gdtr": "global descriptor table",
    "idtr": "interrupt descriptor table",
    "a20": "whether address line 20 is on; off, every odd MiB of memory is the one below",
}
_AT_ENTRY = {
    "rip": "At the PVH entry it is the address of the Xen note PHYS32_ENTRY.",
    "rbx": "At the PVH entry EBX holds the physical address of struct hvm_start_info: all that a guest is handed.",
    "rax": "At the PVH entry it may hold anything. qboot leaves 0x2badb002 there, which multiboot has for its own.",
    "rsp": "At the PVH entry it may hold anything, also 0. A kernel sets it before it pushes anything (PVH908).",
    "cr3": "At the PVH entry it may hold anything. The kernel sets it before it switches paging on.",
    "efer": "At the PVH entry it may hold anything. A 64-bit kernel sets LME before it switches paging on.",
    "gdtr": "At the PVH entry it may hold anything. A kernel loads a table of its own before it loads a segment.",
    "idtr": "At the PVH entry it may hold anything. There is no IDT that a fault could use.",
    "a20": "The ABI has no word of it, and every guest takes it to be on (PVH127).",
    **dict.fromkeys((f"r{each}" for each in range(8, 16)), "There is none in 32-bit code, and so at the PVH entry."),
}


def bits() -> Iterator[Topic]:
    for register, names in cpu.NAMED_BITS.items():
        for mask, bit in names.names.items():
            name = f"{register.upper()}.{bit.name}"
            yield Topic(BITS, name, (name, f"registers.{name}"), partial(_bit_of, register, mask, bit))


def _bit_of(register: str, mask: int, bit: Name) -> Explanation:
    demands = [each for each in cpu.ENTRY_STATE if each.register == register and each.mask & mask]
    name = f"{register.upper()}.{bit.name}"
    wanted = [f"At the PVH entry it must be {int(bool(each.expected & mask))}." for each in demands]
    return Explanation(
        name,
        "flag",
        f"{_bit(mask)} ({mask:#x}) of {register.upper()}",
        bit.meaning,
        source=_SDM,
        more=(*([_SETTING[name]] if name in _SETTING else []), *wanted),
    )


_SETTING = {
    "CR0.PE": "Without it the CPU is in real mode.",
    "CR0.PG": "A kernel sets it between the stages entry and prepare, when CR3 leads to its page tables.",
    "CR4.PAE": "A kernel sets it before paging; long mode can't be without it.",
    "EFER.LME": "A 64-bit kernel sets it before it switches paging on.",
    "EFER.LMA": "The CPU sets it itself when paging comes on with LME set.",
    "EFLAGS.IF": "Without an IDT the first interrupt is a triple fault.",
}
"""Who sets a bit on the way to C code, where that is part of the way."""


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
    notes.NUM: "a number of 4 or 8 bytes",
    notes.STR: "text, to its NUL",
    notes.PAIRS: "pairs of mask and value",
    notes.RELOC: "up to three u32",
    notes.RAW: "bytes",
}
_PHYS32_ENTRY = (
    "It is all that a kernel needs to boot by PVH. QEMU looks at the number alone; Cloud Hypervisor and Firecracker "
    "also want the owner to be Xen."
)
_READERS = {
    notes.PHYS32_ENTRY: ("every VMM that boots by PVH", _PHYS32_ENTRY),
    notes.PHYS32_RELOC: (
        "Xen's domain builders, from 4.20 on",
        "Linux has it from 6.12 on. Other VMMs load by p_paddr.",
    ),
}


def _note(number: int) -> Explanation:
    note = notes.XEN_NOTES[number]
    read_by, text = _READERS.get(number, ("Xen and its toolstack", "PVH does not need it."))
    return Explanation(
        f"Xen note {note.name}",
        _KINDS[note.kind],
        f"ELF note, owner Xen, type {number if number < 0x1000 else hex(number)}",
        note.meaning,
        "the kernel's build" if number < 0x1000 else "Xen's toolstack, in a dump",
        read_by,
        "Xen xen/include/public/elfnote.h",
        (text,),
    )


def document() -> Iterator[Topic]:
    for key, explanation in _DOCUMENT.items():
        yield Topic(DOCUMENT, key, (key,), partial(explanation._replace, title=key))


def _words(names: dict[str, str]) -> tuple[tuple[str, str, str], ...]:
    return tuple(("", name, meaning) for name, meaning in names.items())


_HANDED_OVER = Explanation("", written_by=words.VMM, read_by=words.PVH, source=StartInfo.SOURCE)
_DOCUMENT = {
    "cpu_mode": Explanation(
        "",
        meaning="what kind of code the CPU runs",
        more=("Told by CR0.PE and CR0.PG, CR4.PAE, EFER.LMA and the code segment's flags.",),
        source=_SDM,
        values=_words(cpu.CPU_MODES),
    ),
    "address_kind": Explanation(
        "",
        meaning="which kind of address RIP is",
        more=(
            "A kernel is entered at a physical address. Paging comes on in the identity map, C code runs at its own.",
        ),
        source="Linux arch/x86/platform/pvh/head.S",
        values=_words(ADDRESS_KINDS),
    ),
    "memory_map": _HANDED_OVER._replace(
        meaning="the memory map that was handed over, by whichever protocol",
        more=("Linux copies it to boot_params.e820_table and makes *e820_table of that.",),
    ),
    "memory_map.protocol": _HANDED_OVER._replace(
        meaning="how the map was handed over",
        more=("Linux from 5.0 on knows memmap alone; the kernel of the RFC of 2017 knows e820-module alone.",),
        values=_words(PROTOCOLS),
    ),
    "memory_map.paddr": _HANDED_OVER._replace(
        ctype="u64", meaning="where the map lies", more=("start_info.memmap_paddr, or the paddr of module 1.",)
    ),
    "memory_map.nr_entries": _HANDED_OVER._replace(
        ctype="u32",
        meaning="how many entries the guest was told there are",
        more=("start_info.memmap_entries, or the count at the start of module 1. As many as can be are read.",),
    ),
}
