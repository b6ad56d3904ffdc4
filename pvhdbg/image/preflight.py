"""Predict what QEMU's `-kernel` will do with a file, without running QEMU.

Source: QEMU hw/i386/x86.c x86_load_linux and load_elfboot, include/hw/elf_ops.h, pc-bios/optionrom/pvh_main.c. Every
verdict was verified with QEMU 7.2. A fatal verdict means that the guest never reaches its PVH entry, or that code or
data that it needs is not loaded.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator
from contextlib import closing

from pvhdbg.abi.setup_header import HDR, HDRS, SetupHeader
from pvhdbg.image import notes
from pvhdbg.image.facts import EM_386, EM_X86_64, ImageFacts
from pvhdbg.image.file import Buffer, open_file
from pvhdbg.image.header import Elf, read_elf
from pvhdbg.image.multiboot import HAS_ADDRESSES, SEARCHED1, Multiboot, find_multiboot1
from pvhdbg.image.verdicts import note_verdicts, segment_verdicts
from pvhdbg.image.verdicts.segment_verdicts import Layout, segment_at
from pvhdbg.image.verdicts.verdict import FATAL, WARNING, Verdict
from pvhdbg.image.vmm_loaders import prediction
from pvhdbg.named_tuple import NamedTuple
from pvhdbg.vmm_profiles.table import QEMU, profile

PVH, MULTIBOOT, LINUX, NONE = "pvh", "multiboot", "linux", "none"

CMDLINE_MAX = 4096
"""The size of the command-line buffer in pvh.bin. The module list and start_info of pvh.bin follow the buffer."""

_HDRS_OFFSET = HDR + SetupHeader.header.offset
_UNSUPPORTED_FLAGS = 0x10004
_OLDEST_PC_WITH_PVH = (4, 0)
_EXPLAIN_THE_ENTRY = ("paddr-is-vaddr", "segment-above-4g", "segment-in-pci-hole")
"""The verdicts about segments that explain why no code is loaded at the entry."""
_NOT_HANDED_OVER = "vmm-command-line"
"""The verdict on a command line that a VMM refuses. pvhdbg cannot hand it over either, even with --force."""
_ENTRY_CODE = 256
# or $X86_CR4_PAE, %eax; mov %eax, %cr4
_SETS_PAE = b"\x83\xc8\x20\x0f\x22\xe0"


class Machine(NamedTuple):
    """The parts of QEMU's command line that preflight uses.

    `machine` is the value of -M. `append` is the value of -append. `memory` is the size of the guest's RAM in bytes,
    None if unknown. `firmware` is the firmware of a microvm: `qboot` (Debian's default), `seabios` (QEMU's own
    default), or None if unknown. `vmm` is the name of the profile whose handover the guest gets. `initrd_size` is the
    size of the initrd in bytes, None without one. `loads_file`: pvhdbg loads the file, and QEMU's -kernel gets
    another one.
    """

    machine: str = "microvm"
    append: bytes = b""
    memory: int | None = None
    firmware: str | None = None
    vmm: str = QEMU
    initrd_size: int | None = None
    loads_file: bool = False

    @property
    def type(self) -> str:
        return self.machine.partition(",")[0].removeprefix("type=")

    @property
    def has_pvh(self) -> bool:
        version = re.fullmatch(r"pc(?:-i440fx|-q35)?-(\d{1,4})\.(\d{1,4})", self.type, re.ASCII)
        return version is None or (int(version[1]), int(version[2])) >= _OLDEST_PC_WITH_PVH


class Preflight(NamedTuple):
    """The boot protocol that QEMU uses for the file (NONE if QEMU refuses it), the PVH entry, and the verdicts.

    `by_vmm` are verdicts on what the loader of another VMM would do, if the guest gets the handover of that VMM. They
    do not keep QEMU from starting the guest. A command line that the VMM refuses does, because pvhdbg cannot hand it
    over either: `verdicts` has it.
    """

    boot_protocol: str
    entry: int | None
    verdicts: tuple[Verdict, ...]
    by_vmm: tuple[Verdict, ...] = ()

    @property
    def fatal(self) -> tuple[Verdict, ...]:
        return tuple(verdict for verdict in self.verdicts if verdict.severity == FATAL)

    @property
    def can_be_forced(self) -> bool:
        """Whether pvhdbg can start the kernel although there are fatal verdicts."""
        return self.boot_protocol != NONE and all(verdict.slug != _NOT_HANDED_OVER for verdict in self.verdicts)

    def apply_to(self, facts: ImageFacts) -> ImageFacts:
        """Return the facts with these verdicts and with QEMU's entry, even if the ABI defines a different entry."""
        entry = facts.entry if self.entry is None else self.entry
        return facts._replace(entry=entry, verdicts=self.verdicts + self.by_vmm)


def preflight_file(facts: ImageFacts, machine: Machine | None = None, symbols: Container[str] = ()) -> Preflight:
    """Run `preflight` on the ELF file `facts.elf`.

    :raise UserError: if the file can't be read.
    """
    with closing(open_file(facts.elf)) as data:
        return preflight(facts, data, machine, symbols)


def preflight(
    facts: ImageFacts, data: Buffer, machine: Machine | None = None, symbols: Container[str] = ()
) -> Preflight:
    """Predict what QEMU will do with the ELF file whose bytes are `data`.

    :raise UserError: if `data` is not an ELF file.
    """
    machine = machine or Machine()
    elf = read_elf(data, facts.path)
    scan = notes.scan_by_abi(elf) if machine.loads_file else notes.scan_by_qemu(elf)
    header = None if machine.loads_file else find_multiboot1(data)
    verdicts = [
        *([] if machine.loads_file else _wrong_protocol(elf, header, scan)),
        *_wrong_machine(elf, machine),
        *_wrong_layout(elf, machine, facts, scan),
        *_without_pae(elf, scan.entry, symbols),
        *_long_command_line(machine),
    ]
    by_vmm = _by_vmm(elf, machine, facts)
    verdicts += (verdict for verdict in by_vmm if verdict.slug == _NOT_HANDED_OVER)
    others = tuple(verdict for verdict in by_vmm if verdict.slug != _NOT_HANDED_OVER)
    return Preflight(_boot_protocol(elf, machine, header, scan), scan.entry, tuple(verdicts), others)


def _by_vmm(elf: Elf, machine: Machine, facts: ImageFacts) -> tuple[Verdict, ...]:
    boot = prediction.usual_boot(facts)._replace(cmdline_size=len(machine.append) + 1, initrd_size=machine.initrd_size)
    boot = boot if machine.memory is None else boot._replace(ram_size=machine.memory)
    found = prediction.predict(profile(machine.vmm), elf, boot, has_memory=machine.memory is not None)
    return found.verdicts if found else ()


def _boot_protocol(elf: Elf, machine: Machine, header: Multiboot | None, scan: notes.Scan) -> str:
    if machine.loads_file:
        return PVH if machine.has_pvh and scan.entry is not None else NONE
    if _has_hdrs(elf):
        return LINUX
    if header:
        return NONE if _is_refused(elf, header) else MULTIBOOT
    return PVH if machine.has_pvh and scan.entry is not None and not elf.flags & _UNSUPPORTED_FLAGS else NONE


def _has_hdrs(elf: Elf) -> bool:
    return SetupHeader(elf.data[HDR : HDR + SetupHeader.SIZE]).header == HDRS


def _is_refused(elf: Elf, header: Multiboot) -> bool:
    return elf.machine == EM_X86_64 and not header.flags & HAS_ADDRESSES


def _wrong_protocol(elf: Elf, header: Multiboot | None, scan: notes.Scan) -> Iterator[Verdict]:
    if _has_hdrs(elf):
        yield Verdict(
            "linux-protocol",
            FATAL,
            f"the file has the bytes HdrS at {_HDRS_OFFSET:#x}: QEMU treats it as a bzImage and ignores its PVH entry",
            "change the layout so that the file has other bytes at this offset",
            {"offset": _HDRS_OFFSET},
        )
    elif header:
        yield _multiboot(elf, header, has_entry=scan.entry is not None)


def _multiboot(elf: Elf, header: Multiboot, *, has_entry: bool) -> Verdict:
    """Return the verdict on a header that QEMU prefers to the PVH note, or that makes QEMU refuse the file."""
    remove = f"remove the header, or place it after the first {SEARCHED1} bytes of the file"
    become_pvh = "to boot via PVH, remove the header and add a PHYS32_ENTRY note"
    found = f"the file has a multiboot header at {header.offset:#x}"
    fields = {"offset": header.offset, "flags": header.flags}
    if not _is_refused(elf, header):
        ignored = " and ignores its PVH entry" if has_entry else "; the file has no PVH entry"
        hint = remove if has_entry else f"to boot via multiboot, start QEMU without pvhdbg; {become_pvh}"
        return Verdict("multiboot", FATAL, f"{found}: QEMU boots the file via multiboot{ignored}", hint, fields)
    convert = "to boot via multiboot, convert the file with `objcopy -O elf32-i386 KERNEL KERNEL32`"
    return Verdict(
        "multiboot-64",
        FATAL,
        f"QEMU refuses a 64-bit file with a multiboot header: the header is at {header.offset:#x}, and QEMU boots only "
        '32-bit files via multiboot ("Cannot load x86-64 image")',
        remove if has_entry else f"{convert}; {become_pvh}",
        fields,
    )


def _wrong_machine(elf: Elf, machine: Machine) -> Iterator[Verdict]:
    if elf.machine not in (EM_386, EM_X86_64):
        yield Verdict(
            "not-x86",
            FATAL,
            f"e_machine is {elf.machine}: this kernel is not for x86",
            "build the kernel for i386 or x86-64",
            {"machine": elf.machine},
        )
    if elf.flags & _UNSUPPORTED_FLAGS and not machine.loads_file:
        yield Verdict(
            "elf-flags",
            FATAL,
            f"e_flags is {elf.flags:#x}: QEMU refuses a file with any of the bits {_UNSUPPORTED_FLAGS:#x}",
            "link with e_flags set to 0 (x86 defines no ELF flags)",
            {"flags": elf.flags},
        )
    if not machine.has_pvh:
        yield Verdict(
            "machine-without-pvh",
            FATAL,
            f"machine type {machine.type} does not support PVH: it ignores the PVH entry",
            "use microvm, q35, pc, or a versioned machine type 4.0 or later",
            {"machine": machine.type},
        )


def _wrong_layout(elf: Elf, machine: Machine, facts: ImageFacts, scan: notes.Scan) -> Iterator[Verdict]:
    """Yield the verdicts about notes, segments and entry. An entry that another verdict explains gets no second one."""
    layout = Layout(elf, machine.type, machine.memory, machine.firmware)
    about_segments = list(segment_verdicts.about_segments(layout))
    is_found = machine.loads_file and scan.entry is not None
    about_notes = [] if is_found else list(note_verdicts.about_notes(elf, facts, scan))
    yield from about_notes
    is_explained = any(it.severity == FATAL for it in about_notes) or any(
        it.slug in _EXPLAIN_THE_ENTRY for it in about_segments
    )
    if scan.entry is not None and not is_explained:
        yield from segment_verdicts.about_entry(layout, scan.entry)
    yield from about_segments


def _without_pae(elf: Elf, entry: int | None, symbols: Container[str]) -> Iterator[Verdict]:
    """Detect a 32-bit Linux without PAE, older than commit db9aded979b4. Only kernels with PAE have initial_pg_pmd."""
    segment = None if entry is None else segment_at(elf, entry)
    if entry is None or segment is None or elf.machine != EM_386:
        return
    if "initial_page_table" not in symbols or "initial_pg_pmd" in symbols:
        return
    start = entry - segment.paddr + segment.offset
    if _SETS_PAE in elf.data[start : start + _ENTRY_CODE]:
        yield Verdict(
            "without-pae",
            WARNING,
            "this kernel was built without PAE, but its PVH entry sets CR4.PAE: it dies when it loads CR3",
            "build the kernel with CONFIG_X86_PAE=y, or use a newer kernel",
            {"entry": entry},
        )


def _long_command_line(machine: Machine) -> Iterator[Verdict]:
    size = len(machine.append)
    is_safe = machine.type == "microvm" and machine.firmware == "qboot"
    if size <= CMDLINE_MAX or is_safe:
        return
    is_unknown = machine.type == "microvm" and machine.firmware is None
    condition = " if the firmware is SeaBIOS" if is_unknown else ""
    yield Verdict(
        "append-too-long",
        WARNING if is_unknown else FATAL,
        f"the command line has {size} bytes, but pvh.bin's buffer has only {CMDLINE_MAX}: the rest overwrites the "
        f"module list and start_info of pvh.bin{condition}",
        "shorten the command line, or use a microvm with qboot (no limit)",
        {"size": size, "limit": CMDLINE_MAX},
    )
