"""PVH524 to PVH538: verdicts of the pre-start check on the notes, the segments and the entry of a kernel file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.checks.finding import ERROR, WARNING
from pvhdbg.checks.kernel.preflight import FILE, NOTES, SEGMENTS, defects
from pvhdbg.checks.rules import ONCE, Defect, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pvhdbg.checks.case import Case

ENTRY = "kernel.entry"


@rule("PVH524", ERROR, when=ONCE)
def qemu_reads_the_address_at_the_wrong_offset(case: Case) -> Iterator[Defect]:
    """QEMU pads the name of a note to the segment's p_align. If p_align is 8, QEMU reads the address 4 bytes too
    far, and enters the kernel wherever those bytes point. Toolchains raise p_align to 8 when they merge
    .note.gnu.property into the same segment.

    Leave the GNU property note out: assemble with -Wa,-mx86-used-note=no, or discard it in the linker script.

    Source: QEMU include/hw/elf_ops.h, get_elf_note_type; kata-containers issue 3145; cloud-hypervisor issue 3222.
    """
    yield from defects(case, "note-shifted", NOTES)


@rule("PVH525", WARNING, when=ONCE)
def notes_are_padded_to_8_bytes(case: Case) -> Iterator[Defect]:
    """QEMU pads to p_align, linux-loader and older versions of Xen always pad to 4 bytes. Notes that are padded to 8
    bytes are readable for QEMU only.

    Pad names and descriptors to 4 bytes, and link the notes with an alignment of 4.

    Source: QEMU include/hw/elf_ops.h; rust-vmm linux-loader src/loader/elf/mod.rs; qubes-vmm-xen pull request 52.
    """
    yield from defects(case, "note-padding", NOTES)


@rule("PVH526", WARNING, when=ONCE)
def note_name_lacks_its_nul(case: Case) -> Iterator[Defect]:
    """n_namesz counts the NUL that ends the name, so it is 4 for "Xen". QEMU does not look at the name, and Xen
    compares it as a string, but linux-loader (Cloud Hypervisor, Firecracker, libkrun) skips a note with n_namesz 3.

    Write 4 as the size, and a NUL after the name.

    Source: System V gABI, "Note Section"; rust-vmm linux-loader src/loader/elf/mod.rs; torokernel issue 511.
    """
    yield from defects(case, "note-name-without-nul", NOTES)


@rule("PVH527", ERROR, WARNING, when=ONCE)
def note_extends_past_its_segment(case: Case) -> Iterator[Defect]:
    """A note gives the sizes of its name and of its descriptor. If they are wrong, no loader knows where the next note
    begins, so everything after the damaged note stays unread.

    Correct the sizes, and pad the name and the descriptor to 4 bytes.

    Source: System V gABI, "Note Section"; QEMU include/hw/elf_ops.h, get_elf_note_type.
    """
    yield from defects(case, "note-damaged", NOTES)


@rule("PVH528", ERROR, when=ONCE)
def note_is_in_a_section_of_program_data(case: Case) -> Iterator[Defect]:
    """A linker makes a PT_NOTE segment only for sections of the type SHT_NOTE. NASM and gas make a section PROGBITS
    unless the source says otherwise, and a note that is merged into .rodata becomes program data as well.

    Declare the section as notes (`.section .note.Xen, "a", @note` in gas, `section .note.Xen note alloc` in NASM), and
    give it an output section of its own.

    Source: System V gABI, "Note Section"; the manuals of gas (.section) and NASM (elf).
    """
    yield from defects(case, "note-in-progbits", NOTES)


@rule("PVH529", ERROR, WARNING, when=ONCE)
def entry_does_not_fit_in_32_bits(case: Case) -> Iterator[Defect]:
    """A PVH entry is 32-bit code, so its address has 32 bits. QEMU silently drops the upper half of a larger
    address.

    Load the entry's code below 4 GiB, and put its physical address into the note.

    Source: Xen docs/misc/pvh.pandoc; QEMU hw/i386/x86.c, load_elfboot.
    """
    yield from defects(case, "entry-too-big", ENTRY)


@rule("PVH530", ERROR, when=ONCE)
def entry_is_a_link_address(case: Case) -> Iterator[Defect]:
    """The kernel is entered with paging off, at a physical address. The symbol of the entry has the link address, which
    is different if the linker script has AT().

    Subtract the offset between both addresses in the note.

    Source: Xen docs/misc/pvh.pandoc; Linux arch/x86/platform/pvh/head.S, the note of pvh_start_xen.
    """
    yield from defects(case, "entry-is-vaddr", ENTRY)


@rule("PVH531", ERROR, when=ONCE)
def image_was_moved_after_linking(case: Case) -> Iterator[Defect]:
    """The image is loaded at another address than it was linked for (AT() in the linker script, objcopy
    --change-addresses, --change-section-lma, or an address that the VMM was told), but the note still has the old
    address of the entry. Without a PHYS32_RELOC note, a kernel cannot be moved.

    Link the kernel at the address at which it is loaded.

    Source: Xen docs/misc/pvh.pandoc; linux-loader issue 12.
    """
    yield from defects(case, "image-moved", ENTRY)


@rule("PVH532", ERROR, when=ONCE)
def load_address_is_the_link_address(case: Case) -> Iterator[Defect]:
    """A kernel of the upper half is linked where paging will map it, and loaded in low memory. Without AT(), the linker
    writes the link address into p_paddr too, where a machine has no RAM.

    Set the load address in the linker script: .text : AT(ADDR(.text) - OFFSET).

    Source: GNU ld manual, "Output Section LMA"; QEMU include/hw/elf_ops.h.
    """
    yield from defects(case, "paddr-is-vaddr", SEGMENTS)


@rule("PVH533", ERROR, WARNING, when=ONCE)
def segment_is_above_4_gib(case: Case) -> Iterator[Defect]:
    """QEMU loads a segment wherever p_paddr says, if there is RAM. Code that runs with paging off cannot reach it, and
    most machines have no RAM there.

    Give the segment a load address below 4 GiB.

    Source: QEMU include/hw/elf_ops.h; hw/i386/pc.c, above_4g_mem_size.
    """
    yield from defects(case, "segment-above-4g", SEGMENTS)


@rule("PVH534", ERROR, when=ONCE)
def segment_is_in_the_pci_hole(case: Case) -> Iterator[Defect]:
    """Below 4 GiB, a PC has its PCI devices, its APICs and its firmware. No value of -m puts RAM there, and QEMU
    silently drops what it should load there.

    Give the segment a lower load address.

    Source: QEMU hw/i386/pc_piix.c, pc_q35.c and microvm.c, below_4g_mem_size.
    """
    yield from defects(case, "segment-in-pci-hole", SEGMENTS)


@rule("PVH535", ERROR, when=ONCE)
def segment_is_loaded_over_the_firmware(case: Case) -> Iterator[Defect]:
    """Between 640 KiB and 1 MiB, a PC has its VGA memory, the ROMs of its cards and its firmware. QEMU loads the
    segment there, and the firmware that should start the kernel overwrites it, or was overwritten by it.

    Load the kernel at 1 MiB or higher.

    Source: QEMU hw/i386/pc.c, pc_memory_init; hw/i386/x86.c, x86_bios_rom_init.
    """
    yield from defects(case, "segment-in-firmware", SEGMENTS)


@rule("PVH536", ERROR, when=ONCE)
def multiboot_header_in_a_64_bit_file(case: Case) -> Iterator[Defect]:
    """QEMU sees the multiboot header before it looks for a PVH note, and loads only 32-bit files via multiboot: "Cannot
    load x86-64 image, give a 32bit one".

    To boot via PVH, remove the header and keep the note. To boot via multiboot, convert the file to a 32-bit one.

    Source: QEMU hw/i386/multiboot.c; QEMU issue 243; redshirt issue 75; hermit-os kernel issue 27.
    """
    yield from defects(case, "multiboot-64", FILE)


@rule("PVH537", ERROR, when=ONCE)
def multiboot_header_is_too_far_into_the_file(case: Case) -> Iterator[Defect]:
    """QEMU looks for a multiboot header in the first 8 KiB of the file. Linkers such as lld put .rodata before .text,
    so a header in .text can be after that. QEMU then reports a missing PVH note, which the kernel never needed.

    Put the header into a section of its own, and place that section first. To boot via PVH, add a PHYS32_ENTRY note.

    Source: Multiboot Specification 0.6.96, section 3.1; QEMU issue 1120; zig-os issue 3; BFTK issue 2.
    """
    yield from defects(case, "multiboot-too-deep", FILE)


@rule("PVH538", ERROR, when=ONCE)
def qemu_does_not_support_multiboot_2(case: Case) -> Iterator[Defect]:
    """GRUB boots a kernel via multiboot 2. QEMU's -kernel does not know this protocol, ignores the header, and reports
    a missing PVH note.

    Boot the kernel through GRUB, or add a PHYS32_ENTRY note and a 32-bit entry that takes start_info.

    Source: QEMU hw/i386/multiboot.c; QEMU issue 243; nuttx pull request 13422.
    """
    yield from defects(case, "multiboot2", FILE)
