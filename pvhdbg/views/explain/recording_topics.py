"""Protocols, and the JSON keys of a recording that do not belong to a structure, as topics.

Unlike a field, a key is found only by its full path: `entry` is the stage, not `kernel.entry`.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from pvhdbg.boot.stop.protocols import AS_IS, E820_MODULE, HYPERCALL, MEMMAP, NO_MAP, V0
from pvhdbg.views.explain.topic import RECORDING, Explanation, Topic
from pvhdbg.views.rows.map_rows import PROTOCOLS

if TYPE_CHECKING:
    from collections.abc import Iterator

PROTOCOL = "protocols"

_UPSTREAM = "Linux arch/x86/platform/pvh/enlighten.c"
_RFC = "the 2017 RFC patches, arch/x86/xen/enlighten_pvh.c"
_PROTOCOLS = {
    AS_IS: Explanation(
        "",
        meaning="the protocol that the VMM used",
        details=("The default of `--protocol`: pvhdbg does not change the boot data.",),
    ),
    MEMMAP: Explanation(
        "",
        meaning=PROTOCOLS[MEMMAP],
        written_by='every current VMM; pvhdbg with `--protocol memmap`, from an "e820 data" module',
        read_by="Linux 5.0 and later",
        source=_UPSTREAM,
        details=("A kernel built with the 2017 RFC patches ignores it.",),
    ),
    E820_MODULE: Explanation(
        "",
        meaning=PROTOCOLS[E820_MODULE],
        written_by="no released VMM; pvhdbg with `--protocol e820-module`, from the table at memmap_paddr",
        read_by="kernels built with the 2017 RFC patches",
        source=_RFC,
        details=(
            "Module 0 is the ramdisk, or an empty module if there is no ramdisk.",
            "start_info has version 0, which makes current Linux execute BUG().",
        ),
    ),
    V0: Explanation(
        "",
        meaning="start_info of version 0: 40 bytes, without the memory map fields",
        written_by="Xen, when it builds a PVH dom0; pvhdbg with `--protocol v0`, which removes the memory map",
        read_by="Linux on Xen, which gets the memory map with a hypercall",
        source=f"Xen xen/include/public/arch-x86/hvm/start_info.h; {_UPSTREAM}",
        details=("Outside Xen, current Linux executes BUG() if start_info has version 0.",),
    ),
    HYPERCALL: Explanation(
        "",
        meaning=PROTOCOLS[HYPERCALL],
        written_by="Xen, when the kernel asks it",
        read_by="the kernel, on its way through xen_prepare_pvh",
        source="Xen xen/include/public/memory.h; Linux arch/x86/xen/enlighten_pvh.c",
        details=(
            "pvhdbg observes the call if start_info has no map and the kernel has the function mem_map_via_hcall.",
        ),
    ),
    NO_MAP: Explanation(
        "",
        meaning=PROTOCOLS[NO_MAP],
        details=("A kernel on Xen gets the memory map with a hypercall. Any other kernel dies.",),
    ),
}


def protocols() -> Iterator[Topic]:
    for name, explanation in _PROTOCOLS.items():
        yield Topic(PROTOCOL, name, (name,), partial(explanation._replace, title=f"protocol {name}"))


_KEYS = {
    "format": "always pvhdbg",
    "format_version": "version of this JSON format: 2; version 1, without outcome.watched, can still be read",
    "pvhdbg": "version of pvhdbg that wrote the recording",
    "kernel": "the kernel file, as it was on disk; null if no file was named",
    "kernel.path": "path of the file",
    "kernel.kind": "vmlinux, bzimage, or elf for any other PVH guest",
    "kernel.guest": "the name of the guest's profile, such as linux or freebsd; other for a guest that pvhdbg does not "
    "know. Absent in recordings of older versions",
    "kernel.class": "32 or 64: the class of the ELF file",
    "kernel.machine": "the ELF file's e_machine: 62 (x86-64) or 3 (80386); absent in recordings of older versions",
    "kernel.entry": "address at which the VMM enters the kernel, from the note PHYS32_ENTRY",
    "kernel.build_id": "GNU build-id, in hexadecimal",
    "kernel.release": "release of Linux, as `uname -r` prints it",
    "kernel.segments": "list of the PT_LOAD segments: paddr, vaddr, filesz and memsz",
    "kernel.notes": "list of the ELF notes: owner, type, and the descriptor in hexadecimal",
    "kernel.verdicts": "what the pre-start check found in the file and in QEMU's options",
    "machine": "the virtual machine; its values are null or empty if pvhdbg did not start it",
    "machine.qemu": "version of QEMU",
    "machine.machine": "QEMU's machine type (-M)",
    "machine.accel": "tcg or kvm (--accel)",
    "machine.cpu": "QEMU's CPU model (--cpu); a 64-bit kernel needs a model with long mode",
    "machine.memory": "size of the guest's memory (-m)",
    "machine.append": "command line of the kernel (-a)",
    "machine.initrd": "file of the initrd (-i)",
    "machine.argv": "QEMU's complete command line",
    "machine.rewrites": "what --protocol and --set changed at the entry: path, paddr, and the bytes before and after",
    "machine.vmm": "the VMM whose handover the guest got (--vmm): name, version and differs; absent without --vmm",
    "machine.xen": "the Xen that started the kernel as its dom0 (--xen): image and version; absent without --xen",
    "machine.vmm.lost_write": "the first write to memory that the VMM does not have: paddr, the bytes (hex), and the "
    "next instruction's rip and symbol; absent if there was no such write",
    "machine.vmm.differs": "what a guest can notice that pvhdbg did not reproduce",
    "machine.initrd_size": "size of the initrd in bytes when QEMU was started; null if it is not known",
    "stops": "the captures, one per stage, oldest first; if the guest died, the last capture is of its death",
    "stage": "stage of this stop: the name of a stage, or died",
    "registers": "registers by their 64-bit names, in 32-bit guests too; null if not available",
    "findings": "what the rules found at this stop: code, severity, message, field and at",
    "memory": "all memory that was read at this stop: paddr, and the bytes in hexadecimal",
    "symbols": "addresses of the symbols that were looked up, by name",
    "missing": "why values are null, by path",
    "hypercall": "how the kernel asked Xen for its map: rip, operation, room, buffer, paddr, result, nr_entries, hex",
    "gdt": "entries of the GDT, with all fields of each descriptor",
    "overwritten": "where memory differs from the kernel file at the entry: paddr, size, first bytes of both",
    "code": "the code around RIP: address, hex, and each instruction's text and source line; the text is null if no "
    "disassembler has read the bytes",
    "serial": "what the guest had written to its serial console until this stop; null if pvhdbg does not read it",
    "log": "the kernel's own log until this stop: ns, level and text of each line; null if it was not read",
    "outcome": "how the run ended",
    "outcome.reached": "last stage that was reached",
    "outcome.ended": "done, died, timeout, interrupted, or refused: the pre-start check rejected the kernel",
    "outcome.died": "how the guest died, rip, symbol and message; null if it did not die",
    "outcome.died.how": "triple-fault, kvm-internal-error, qemu-exit or qemu-signal",
    "outcome.timeout": "stage that was not reached in time, and the guest's rip and symbol; null without a timeout",
    "outcome.watched": "how the guest ended after the last stage, or before one; null if this was not observed",
    "outcome.watched.ended": "died, panicked, halted, reset, console (started), runaway (no code) or time (still runs)",
    "outcome.watched.ms": "how long pvhdbg watched the guest, in milliseconds",
    "outcome.watched.rip": "where the guest was; after a panic, where it called panic, or null without symbols",
    "outcome.watched.symbol": "the same place as symbol+offset, or null",
    "outcome.watched.message": "the text of the panic, how the guest died, or that it powered off; otherwise empty",
    "outcome.watched.serial": "the last lines on the serial console, as latin-1",
    "outcome.watched.log": "the last lines of the kernel's own log and its problems; null if it could not be read",
    "outcome.findings": "what the rules found about the end of the run, if the end is not one of the stops",
    "trace": "every instruction from the entry on, and what it wrote (`pvhdbg trace`); absent in other recordings",
    "trace.ended": "why the trace ends: done, steps or size (its limits), stopped, or died",
    "trace.stops": "how many instructions were executed before each stage, by the name of the stage",
    "trace.code": "the instructions that were executed, each once: address, bytes, text, symbol, source line",
    "trace.steps": "the executed instructions in order: the index in trace.code, the registers that changed, the "
    "stores (physical address and bytes), and how often a repeated instruction was repeated",
    "who": "who wrote and who reads each field that `pvhdbg who` was asked about; absent in other recordings",
    "who.writers": (
        "who wrote the field: by, rip, symbol (in firmware, the program), inlined, source, instruction, the bytes, "
        "from and confidence"
    ),
    "who.writers.by": "cpu (an instruction), fw_cfg-dma (QEMU's fw_cfg device) or pvhdbg (--set, --protocol, --vmm)",
    "who.writers.from": "path of the input field whose value was written; null if it is not a copy of one",
    "who.writers.confidence": "register, immediate, computed, perhaps or dma: how certain the origin is",
    "who.readers": "the instructions that read the field: rip, symbol, inlined, source, instruction, times (how often)",
    "who_ended": "how the guest died while `who` observed it, so that the answers end there; absent if it did not",
}


def keys() -> Iterator[Topic]:
    for key, meaning in _KEYS.items():
        yield Topic(RECORDING, key, (key,), partial(Explanation, f"{key} in a recording", meaning=meaning))
