"""What a recording says of itself to be explained: the protocols, and the keys of its JSON that are no structure's.

Unlike a field, such a key answers to its whole path alone: `kernel.entry` is not what is meant by `entry`.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from pvhdbg.boot.stop.protocols import AS_IS, E820_MODULE, MEMMAP, NO_MAP, V0
from pvhdbg.views.explain.topics import Explanation, Topic
from pvhdbg.views.rows.map_rows import PROTOCOLS

if TYPE_CHECKING:
    from collections.abc import Iterator

WAYS, RECORDING = "protocols", "recording"

_UPSTREAM = "Linux arch/x86/platform/pvh/enlighten.c"
_RFC = "the RFC of 2017, arch/x86/xen/enlighten_pvh.c"
_WAYS = {
    AS_IS: Explanation("", meaning="what the VMM handed over, not rewritten", more=("`--protocol` without effect.",)),
    MEMMAP: Explanation(
        "",
        meaning=PROTOCOLS[MEMMAP],
        written_by="every VMM of today; `--protocol memmap`, from an e820 module",
        read_by="Linux from 5.0 on",
        source=_UPSTREAM,
        more=("A kernel of the RFC does not look at it.",),
    ),
    E820_MODULE: Explanation(
        "",
        meaning=PROTOCOLS[E820_MODULE],
        written_by="no VMM that was ever released; `--protocol e820-module`, from a memmap",
        read_by="kernels of the RFC",
        source=_RFC,
        more=(
            "Module 0 is the ramdisk, so without one there is an empty module 0.",
            "start_info is of version 0, for which today's Linux has a BUG.",
        ),
    ),
    V0: Explanation(
        "",
        meaning="start_info of version 0: 40 bytes, which end before the memory map",
        written_by="Xen's builder of a PVH dom0; `--protocol v0`, by cutting off the map",
        read_by="Linux on Xen, which asks for the map by hypercall",
        source=f"Xen xen/include/public/arch-x86/hvm/start_info.h; {_UPSTREAM}",
        more=("On anything but Xen today's Linux ends in a BUG.",),
    ),
    NO_MAP: Explanation("", meaning=PROTOCOLS[NO_MAP], more=("The kernel must ask for one, as on Xen, or die.",)),
}


def protocols() -> Iterator[Topic]:
    for name, explanation in _WAYS.items():
        yield Topic(WAYS, name, (name,), partial(explanation._replace, title=f"protocol {name}"))


_KEYS = {
    "format": "pvhdbg, always",
    "format_version": "of this form of JSON: 1",
    "pvhdbg": "the version of pvhdbg that wrote it",
    "kernel": "the kernel's file, as it was on disk; null where none was named",
    "kernel.path": "the file",
    "kernel.kind": "vmlinux, bzimage, or elf for any other PVH guest",
    "kernel.class": "32 or 64: the ELF file's class",
    "kernel.entry": "where the VMM enters it: the address in the note PHYS32_ENTRY",
    "kernel.build_id": "the GNU build-id, hexadecimal",
    "kernel.release": "of Linux: what `uname -r` says",
    "kernel.segments": "each PT_LOAD: paddr, vaddr, filesz and memsz",
    "kernel.notes": "each ELF note: owner, type, and its descriptor as hex",
    "kernel.verdicts": "what was found in the file, and in QEMU's options, before anything was started",
    "machine": "the machine it ran on; all of it null where that was not pvhdbg's own",
    "machine.qemu": "QEMU's version",
    "machine.machine": "QEMU's machine type (-M)",
    "machine.accel": "tcg or kvm (--accel)",
    "machine.cpu": "QEMU's CPU model (--cpu); a 64-bit kernel needs one with long mode",
    "machine.memory": "the guest's memory (-m)",
    "machine.append": "the command line (-a)",
    "machine.initrd": "the initrd's file (-i)",
    "machine.argv": "QEMU's whole command line",
    "machine.rewrites": "what --protocol and --set changed at the entry: path, paddr, and the bytes before and after",
    "stops": "one for each stage, oldest first; a death adds a last one",
    "stage": "the stage at which the machine stood, or died",
    "registers": "by their 64-bit names, for every guest; null where they can't be asked for",
    "findings": "what the rules found there: code, severity, message, field and at",
    "memory": "all that was read there: paddr, and the bytes as hex",
    "symbols": "addresses that were asked for, by name",
    "missing": "why what is null is not there, by path",
    "outcome": "how the run ended",
    "outcome.reached": "the last stage that came",
    "outcome.ended": "done, died, timeout or interrupted",
    "outcome.died": "how the guest died, rip, symbol and message; null unless it did",
    "outcome.died.how": "triple-fault, kvm-internal-error, qemu-exit or qemu-signal",
    "outcome.timeout": "the stage that did not come in time, and where the guest was then; null if all came",
    "outcome.findings": "what the rules say of an end that has no stop of its own",
}


def keys() -> Iterator[Topic]:
    for key, meaning in _KEYS.items():
        yield Topic(RECORDING, key, (key,), partial(Explanation, f"{key} in a recording", meaning=meaning))
