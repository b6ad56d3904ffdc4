"""PVH501 to PVH523: verdicts of the pre-start check on the kernel file and QEMU's command line, once per run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.checks.finding import ERROR, WARNING
from pvhdbg.checks.rules import ONCE, Defect, rule, sentence
from pvhdbg.image.verdicts.verdict import FATAL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pvhdbg.checks.case import Case
    from pvhdbg.image.verdicts.verdict import Verdict

NOTES, SEGMENTS, FILE = "kernel.notes", "kernel.segments", "kernel.path"


def finding_message(verdict: Verdict) -> str:
    """Return the message of the finding that reports a verdict."""
    return f"{verdict.message}. {sentence(verdict.hint)}"


def defects(case: Case, slug: str, field: str) -> Iterator[Defect]:
    """Yield a defect for each verdict of the pre-start check with this slug."""
    for verdict in case.verdicts:
        if verdict.slug == slug:
            severity = ERROR if verdict.severity == FATAL else WARNING
            yield Defect(field, finding_message(verdict), None, severity)


@rule("PVH501", ERROR, when=ONCE)
def qemu_mistakes_the_file_for_a_bzimage(case: Case) -> Iterator[Defect]:
    """The first thing that QEMU looks for in a kernel file is "HdrS" at offset 0x202. QEMU boots a file with these
    bytes via the Linux boot protocol, never via its PVH entry.

    Link the file so that something else is at that offset.

    Source: QEMU hw/i386/x86.c, x86_load_linux.
    """
    yield from defects(case, "linux-protocol", FILE)


@rule("PVH502", ERROR, when=ONCE)
def multiboot_header_takes_precedence(case: Case) -> Iterator[Defect]:
    """In QEMU 4.0 and later, a multiboot header in the first 8 KiB of the file takes precedence over the PVH note.

    Remove the header, or move it past the first 8 KiB.

    Source: QEMU hw/i386/x86.c and multiboot.c; Zephyr sdk-ng issue 168.
    """
    yield from defects(case, "multiboot", FILE)


@rule("PVH503", ERROR, when=ONCE)
def file_is_not_for_x86(case: Case) -> Iterator[Defect]:
    """PVH is an ABI for x86. The file's e_machine must be that of i386 or x86-64.

    Build the kernel for i386 or x86-64.

    Source: QEMU hw/i386/x86.c, load_elfboot.
    """
    yield from defects(case, "not-x86", FILE)


@rule("PVH504", ERROR, when=ONCE)
def e_flags_has_unsupported_bits(case: Case) -> Iterator[Defect]:
    """QEMU rejects an ELF file that has certain bits of e_flags set ("elfboot unsupported flags"). x86 defines no ELF
    flags.

    Link the file with e_flags 0.

    Source: QEMU hw/i386/x86.c, load_elfboot.
    """
    yield from defects(case, "elf-flags", FILE)


@rule("PVH505", ERROR, when=ONCE)
def machine_type_does_not_support_pvh(case: Case) -> Iterator[Defect]:
    """Machine types up to pc-*-3.1 never boot a kernel via its PVH entry, for compatibility with old guests.

    Use microvm, q35 or pc, or a versioned type of QEMU 4.0 or later.

    Source: QEMU hw/i386/pc_piix.c and pc_q35.c, pvh_enabled.
    """
    yield from defects(case, "machine-without-pvh", "machine.machine")


@rule("PVH506", ERROR, when=ONCE)
def segment_is_larger_in_the_file_than_in_memory(case: Case) -> Iterator[Defect]:
    """p_filesz of a segment must not be larger than its p_memsz. QEMU 7.2 hangs when it loads such a file; newer
    versions reject it.

    Correct the program header.

    Source: System V gABI, program headers; QEMU include/hw/elf_ops.h.
    """
    yield from defects(case, "segment-sizes", SEGMENTS)


@rule("PVH507", ERROR, when=ONCE)
def kernel_does_not_fit_in_memory(case: Case) -> Iterator[Defect]:
    """QEMU loads each PT_LOAD segment at its p_paddr, but drops the part for which the machine has no memory. The end
    of the kernel is then missing. A segment of notes alone does not count: QEMU reads the notes from the file.

    Give the machine more memory with -m, or load the kernel lower.

    Source: QEMU include/hw/elf_ops.h; ipxe pull request 259.
    """
    yield from defects(case, "beyond-memory", SEGMENTS)


@rule("PVH508", ERROR, when=ONCE)
def segments_overlap(case: Case) -> Iterator[Defect]:
    """QEMU rejects an image in which two segments have bytes for the same physical address.

    Give each PT_LOAD segment its own range of physical addresses.

    Source: QEMU hw/core/loader.c, rom_check_and_register_reset.
    """
    yield from defects(case, "segments-overlap", SEGMENTS)


@rule("PVH509", ERROR, when=ONCE)
def note_alignment_is_0(case: Case) -> Iterator[Defect]:
    """QEMU divides by p_align of a PT_NOTE segment. If p_align is 0, QEMU crashes with SIGFPE.

    Link the segment with an alignment of 4.

    Source: QEMU include/hw/elf_ops.h, get_elf_note_type.
    """
    yield from defects(case, "note-align-zero", NOTES)


@rule("PVH510", ERROR, when=ONCE)
def entry_address_is_0(case: Case) -> Iterator[Defect]:
    """QEMU treats a PHYS32_ENTRY note with address 0 as if there were no note.

    Put the physical address of the entry into the note.

    Source: QEMU hw/i386/x86.c, read_pvh_start_addr.
    """
    yield from defects(case, "entry-zero", NOTES)


@rule("PVH511", ERROR, when=ONCE)
def qemu_misses_the_note(case: Case) -> Iterator[Defect]:
    """Notes are padded to 4 bytes, but QEMU assumes that they are padded to the segment's p_align. Newer toolchains put
    .note.gnu.property, which is aligned to 8, into the same segment. QEMU then skips the PVH note: "Error loading
    uncompressed kernel without PVH ELF Note". Xen and linux-loader find it.

    Leave the GNU property note out (-Wa,-mx86-used-note=no, or /DISCARD/ in the linker script). Once it is merged into
    .notes, objcopy --remove-section cannot remove it.

    Source: QEMU include/hw/elf_ops.h; kata-containers issues 3135 and 3145; osv issue 1113.
    """
    yield from defects(case, "note-align", NOTES)


@rule("PVH512", ERROR, when=ONCE)
def note_is_in_no_segment(case: Case) -> Iterator[Defect]:
    """Loaders read notes from PT_NOTE segments, not from sections. If a linker script has its own PHDRS command, the
    command must include a PT_NOTE segment.

    Add a PT_NOTE program header for the section of the note.

    Source: QEMU include/hw/elf_ops.h; asterinas pull request 3614.
    """
    yield from defects(case, "note-not-in-segment", NOTES)


@rule("PVH513", ERROR, when=ONCE)
def notes_were_stripped(case: Case) -> Iterator[Defect]:
    """objcopy, other tools that strip, and builds that optimize for size may keep the space of the notes but clear
    their contents. Without the PVH note no loader knows where to enter the kernel.

    Keep the section .notes when stripping (objcopy --keep-section .notes).

    Source: liminix pull request 27.
    """
    yield from defects(case, "notes-zeroed", NOTES)


@rule("PVH514", ERROR, when=ONCE)
def pvh_note_is_missing(case: Case) -> Iterator[Defect]:
    """The ELF note PHYS32_ENTRY (owner Xen, type 18) holds the address at which to enter the kernel. Without it, no
    loader can boot the kernel via PVH.

    Build Linux with CONFIG_PVH=y; add the note to any other kernel.

    Source: Xen docs/misc/pvh.pandoc; xen/include/public/elfnote.h.
    """
    yield from defects(case, "no-note", NOTES)


@rule("PVH515", WARNING, ERROR, when=ONCE)
def qemu_reads_the_wrong_note(case: Case) -> Iterator[Defect]:
    """In each segment, QEMU looks at the first note of type 18; if several segments have such a note, it uses the last
    segment. QEMU does not check the owner, so it may take another owner's note of type 18 for the PVH note.

    Give the other note another type, or put it where QEMU does not find it first.

    Source: QEMU include/hw/elf_ops.h, get_elf_note_type.
    """
    yield from defects(case, "decoy-note", NOTES)


@rule("PVH516", WARNING, when=ONCE)
def note_owner_is_not_xen(case: Case) -> Iterator[Defect]:
    """QEMU does not check the owner of the note, but Xen, Cloud Hypervisor and Firecracker accept only the owner "Xen".

    Set the owner to "Xen".

    Source: rust-vmm linux-loader src/loader/elf/mod.rs; Xen xen/common/libelf/libelf-dominfo.c.
    """
    yield from defects(case, "owner-not-xen", NOTES)


@rule("PVH517", WARNING, when=ONCE)
def note_is_misplaced(case: Case) -> Iterator[Defect]:
    """QEMU checks the bounds of each note separately, so it can find a note past the end of the segment. Other loaders
    do not find that note.

    Make the segment cover all its notes.

    Source: QEMU include/hw/elf_ops.h.
    """
    yield from defects(case, "note-misplaced", NOTES)


@rule("PVH518", WARNING, when=ONCE)
def note_has_an_invalid_size(case: Case) -> Iterator[Defect]:
    """The address in the note has 4 bytes, or 8 bytes of which the upper four are 0. QEMU reads 8 bytes from a 64-bit
    file, whatever the note's size is.

    Write the address in one of these two forms.

    Source: QEMU hw/i386/x86.c, read_pvh_start_addr; Xen xen/common/libelf/libelf-dominfo.c.
    """
    yield from defects(case, "note-size", NOTES)


@rule("PVH519", ERROR, WARNING, when=ONCE)
def qemu_reads_past_the_notes(case: Case) -> Iterator[Defect]:
    """If a PT_NOTE segment has no note of type 18, QEMU's search may continue past the end of the segment, until it
    finds bytes that look like a note or reaches the end of the file.

    Put all notes into one PT_NOTE segment.

    Source: QEMU include/hw/elf_ops.h.
    """
    yield from defects(case, "note-scan-lost", NOTES)


@rule("PVH520", ERROR, when=ONCE)
def entry_is_outside_the_image(case: Case) -> Iterator[Defect]:
    """PHYS32_ENTRY is a physical address: the address at which PT_LOAD puts the code (p_paddr). Nothing is loaded at
    the address in this note, and it is not the link address of any code either.

    Put the entry's physical address into the note.

    Source: Xen docs/misc/pvh.pandoc.
    """
    yield from defects(case, "entry-outside", "kernel.entry")


@rule("PVH521", WARNING, when=ONCE)
def entry_is_in_zeroed_memory(case: Case) -> Iterator[Defect]:
    """The entry is in the part of its segment for which the file has no bytes. The loader clears that part, so there is
    no code at the entry.

    Put the physical address of code into the note.

    Source: System V gABI, p_filesz and p_memsz.
    """
    yield from defects(case, "entry-zeros", "kernel.entry")


@rule("PVH522", WARNING, when=ONCE)
def kernel_without_pae_enables_pae(case: Case) -> Iterator[Defect]:
    """Before commit db9aded979b4, a 32-bit Linux without CONFIG_X86_PAE nevertheless set CR4.PAE in its PVH entry, and
    died when it loaded CR3.

    Build the kernel with CONFIG_X86_PAE=y, or use a kernel with that commit.

    Source: Linux commit db9aded979b4.
    """
    yield from defects(case, "without-pae", "kernel.entry")


@rule("PVH523", ERROR, WARNING, when=ONCE)
def command_line_overflows_the_firmware_buffer(case: Case) -> Iterator[Defect]:
    """pvh.bin, the option ROM that starts PVH kernels on pc and q35, and on a microvm with SeaBIOS, has a buffer of
    4096 bytes for the command line. A longer command line overwrites the module list and start_info, which follow the
    buffer: the magic becomes text, and the kernel hits a BUG.

    Shorten the command line, or use a microvm with qboot, which has no limit.

    Source: QEMU pc-bios/optionrom/pvh_main.c.
    """
    yield from defects(case, "append-too-long", "machine.append")
