"""PVH501 to PVH523: what preflight found in the kernel's file and in QEMU's command line, asked once a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.checks.finding import ERROR, WARNING
from pvhdbg.checks.rules import FIRST, Found, rule
from pvhdbg.image.verdict import FATAL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pvhdbg.checks.case import Case

NOTES, SEGMENTS, FILE = "kernel.notes", "kernel.segments", "kernel.path"


def _said(case: Case, slug: str, field: str) -> Iterator[Found]:
    for each in case.verdicts:
        if each.slug == slug:
            severity = ERROR if each.severity == FATAL else WARNING
            yield Found(field, f"{each.message}; {each.hint}", None, severity)


@rule("PVH501", ERROR, when=FIRST)
def qemu_takes_the_file_for_a_bzimage(case: Case) -> Iterator[Found]:
    """QEMU looks for "HdrS" at offset 0x202 before anything else. A file that has it is started by Linux's own
    protocol, never through its PVH entry.

    Source: QEMU hw/i386/x86.c, x86_load_linux.
    """
    yield from _said(case, "linux-protocol", FILE)


@rule("PVH502", ERROR, when=FIRST)
def a_multiboot_header_comes_first(case: Case) -> Iterator[Found]:
    """Since QEMU 4.0 a multiboot header in the first 8 KiB wins over the PVH note; in a 64-bit file it is refused with
    "Cannot load x86-64 image, give a 32bit one".

    Source: QEMU hw/i386/x86.c and multiboot.c; QEMU issue 243.
    """
    yield from _said(case, "multiboot", FILE)


@rule("PVH503", ERROR, when=FIRST)
def the_file_is_not_for_x86(case: Case) -> Iterator[Found]:
    """PVH is an ABI of x86: e_machine must be that of i386 or x86-64.

    Source: QEMU hw/i386/x86.c, load_elfboot.
    """
    yield from _said(case, "not-x86", FILE)


@rule("PVH504", ERROR, when=FIRST)
def elf_flags_are_set(case: Case) -> Iterator[Found]:
    """QEMU refuses an ELF file with some bits of e_flags set ("elfboot unsupported flags").

    Source: QEMU hw/i386/x86.c, load_elfboot.
    """
    yield from _said(case, "elf-flags", FILE)


@rule("PVH505", ERROR, when=FIRST)
def the_machine_type_knows_no_pvh(case: Case) -> Iterator[Found]:
    """Machine types up to pc-*-3.1 start no kernel through PVH, so that old guests find the machine they know.

    Source: QEMU hw/i386/pc_piix.c and pc_q35.c, pvh_enabled.
    """
    yield from _said(case, "machine-without-pvh", "machine.machine")


@rule("PVH506", ERROR, when=FIRST)
def a_segment_is_larger_in_the_file_than_in_memory(case: Case) -> Iterator[Found]:
    """p_filesz must not be above p_memsz.

    Source: System V gABI, program headers; QEMU include/hw/elf_ops.h.
    """
    yield from _said(case, "segment-sizes", SEGMENTS)


@rule("PVH507", ERROR, when=FIRST)
def the_kernel_does_not_fit_memory(case: Case) -> Iterator[Found]:
    """QEMU loads each PT_LOAD segment to its p_paddr, as far as there is memory.

    Source: QEMU include/hw/elf_ops.h.
    """
    yield from _said(case, "beyond-memory", SEGMENTS)


@rule("PVH508", ERROR, when=FIRST)
def segments_overlap(case: Case) -> Iterator[Found]:
    """QEMU refuses an image in which two segments put bytes at one physical address.

    Source: QEMU hw/core/loader.c, rom_check_and_register_reset.
    """
    yield from _said(case, "segments-overlap", SEGMENTS)


@rule("PVH509", ERROR, when=FIRST)
def the_alignment_of_the_notes_is_0(case: Case) -> Iterator[Found]:
    """QEMU divides by a PT_NOTE segment's p_align, and dies of SIGFPE where that is 0.

    Source: QEMU include/hw/elf_ops.h, get_elf_note_type.
    """
    yield from _said(case, "note-align-zero", NOTES)


@rule("PVH510", ERROR, when=FIRST)
def the_entry_address_is_0(case: Case) -> Iterator[Found]:
    """A note PHYS32_ENTRY of 0 is for QEMU the same as none.

    Source: QEMU hw/i386/x86.c, read_pvh_start_addr.
    """
    yield from _said(case, "entry-zero", NOTES)


@rule("PVH511", ERROR, when=FIRST)
def qemu_misses_the_note(case: Case) -> Iterator[Found]:
    """Notes are padded to 4 bytes; QEMU pads by the segment's p_align. Since toolchains put .note.gnu.property, which
    is aligned to 8, among the others, it steps over the note: "Error loading uncompressed kernel without PVH ELF Note".
    Xen and linux-loader find it.

    Source: QEMU include/hw/elf_ops.h; kata-containers issues 3135 and 3145; osv issue 1113.
    """
    yield from _said(case, "note-align", NOTES)


@rule("PVH512", ERROR, when=FIRST)
def the_note_is_in_no_segment(case: Case) -> Iterator[Found]:
    """Loaders look at PT_NOTE program headers, not at sections: a linker script with PHDRS of its own needs one for
    notes.

    Source: QEMU include/hw/elf_ops.h; asterinas pull request 3614.
    """
    yield from _said(case, "note-not-in-segment", NOTES)


@rule("PVH513", ERROR, when=FIRST)
def the_notes_were_stripped(case: Case) -> Iterator[Found]:
    """Tools that strip, objcopy among them, and size-optimising builds leave room for notes, and nothing in it.

    Source: liminix pull request 27.
    """
    yield from _said(case, "notes-zeroed", NOTES)


@rule("PVH514", ERROR, when=FIRST)
def there_is_no_note(case: Case) -> Iterator[Found]:
    """Without a note PHYS32_ENTRY (owner Xen, type 18) nobody knows where to enter the kernel.

    Source: Xen docs/misc/pvh.pandoc; xen/include/public/elfnote.h.
    """
    yield from _said(case, "no-note", NOTES)


@rule("PVH515", WARNING, when=FIRST)
def qemu_reads_another_note(case: Case) -> Iterator[Found]:
    """QEMU takes the first note of type 18 of each segment and the last segment that has one, whoever owns it: a note
    of GNU's or of somebody else's with the same number becomes the entry.

    Source: QEMU include/hw/elf_ops.h, get_elf_note_type.
    """
    yield from _said(case, "decoy-note", NOTES)


@rule("PVH516", WARNING, when=FIRST)
def the_owner_of_the_note_is_not_xen(case: Case) -> Iterator[Found]:
    """QEMU compares no owner; Xen, Cloud Hypervisor and Firecracker take notes of the owner "Xen" alone.

    Source: rust-vmm linux-loader src/loader/elf/mod.rs; Xen xen/common/libelf/libelf-dominfo.c.
    """
    yield from _said(case, "owner-not-xen", NOTES)


@rule("PVH517", WARNING, when=FIRST)
def the_note_is_misplaced(case: Case) -> Iterator[Found]:
    """QEMU's scan bounds each note by itself, and so can find one behind the end of the segment; others do not.

    Source: QEMU include/hw/elf_ops.h.
    """
    yield from _said(case, "note-misplaced", NOTES)


@rule("PVH518", WARNING, when=FIRST)
def the_note_has_an_odd_size(case: Case) -> Iterator[Found]:
    """The address takes 4 bytes, or 8 of which the upper four are 0. QEMU reads 8 from a 64-bit file whatever the size.

    Source: QEMU hw/i386/x86.c, read_pvh_start_addr; Xen xen/common/libelf/libelf-dominfo.c.
    """
    yield from _said(case, "note-size", NOTES)


@rule("PVH519", ERROR, when=FIRST)
def the_scan_of_the_notes_gets_lost(case: Case) -> Iterator[Found]:
    """After a PT_NOTE segment without type 18, QEMU's scan can run on behind it, until it finds something that looks
    like a note, or the end of the file.

    Source: QEMU include/hw/elf_ops.h.
    """
    yield from _said(case, "note-scan-lost", NOTES)


@rule("PVH520", ERROR, when=FIRST)
def the_entry_is_outside_the_image(case: Case) -> Iterator[Found]:
    """PHYS32_ENTRY is a physical address: that of the code where PT_LOAD puts it (p_paddr), not the one it is linked
    at. A kernel that was built for another address than it is loaded to needs a note PHYS32_RELOC and a loader that
    knows it.

    Source: Xen docs/misc/pvh.pandoc; linux-loader issue 12.
    """
    yield from _said(case, "entry-outside", "kernel.entry")


@rule("PVH521", WARNING, when=FIRST)
def there_are_only_zeros_at_the_entry(case: Case) -> Iterator[Found]:
    """The entry lies in the part of its segment that the file has no bytes for, which is cleared memory.

    Source: System V gABI, p_filesz and p_memsz.
    """
    yield from _said(case, "entry-zeros", "kernel.entry")


@rule("PVH522", WARNING, when=FIRST)
def a_kernel_without_pae_sets_pae(case: Case) -> Iterator[Found]:
    """32-bit Linux without CONFIG_X86_PAE set CR4.PAE in its PVH entry all the same, and died when it loaded CR3.

    Source: Linux commit db9aded979b4.
    """
    yield from _said(case, "without-pae", "kernel.entry")


@rule("PVH523", ERROR, when=FIRST)
def the_command_line_is_longer_than_the_buffer_of_the_firmware(case: Case) -> Iterator[Found]:
    """pvh.bin, which starts PVH kernels on pc and q35, has 4096 bytes for the command line. What is longer overwrites
    its module list and start_info, which lie behind it: the magic becomes text, and the kernel ends in a BUG.

    Source: QEMU pc-bios/optionrom/pvh_main.c.
    """
    yield from _said(case, "append-too-long", "machine.append")
