"""PVH539 to PVH546: what the loader of the VMM that `--vmm` names would do with the kernel file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.checks.finding import ERROR, WARNING
from pvhdbg.checks.kernel.image_defects import ENTRY
from pvhdbg.checks.kernel.preflight import NOTES, SEGMENTS, defects
from pvhdbg.checks.rules import ONCE, Defect, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pvhdbg.checks.case import Case


@rule("PVH539", ERROR, when=ONCE)
def vmm_finds_no_pvh_entry(case: Case) -> Iterator[Defect]:
    """Every VMM searches for the note in its own way. They differ in the owner, in the padding, in which of several
    notes counts, and in whether they accept 32-bit ELF files. QEMU, which pvhdbg runs, accepts more than most.

    Give the file exactly one PHYS32_ENTRY note, with the owner "Xen", 4 bytes and padding to 4, in a 64-bit ELF file.

    Source: rust-vmm linux-loader src/loader/elf/mod.rs; google/alioth alioth/src/loader/xen/xen.rs; bobuhiro11/gokvm
    pvh/pvhboot.go; microsoft/openvmm vm/loader/src/pvh.rs; Xen xen/common/libelf/libelf-dominfo.c.
    """
    yield from defects(case, "vmm-no-entry", NOTES)


@rule("PVH540", ERROR, when=ONCE)
def vmm_refuses_a_low_e_entry(case: Case) -> Iterator[Defect]:
    """Firecracker and Cloud Hypervisor refuse a file whose e_entry is below 1 MiB, although they enter the kernel at
    the address in the note. A kernel for which only the note matters often has e_entry 0.

    Name the symbol of the entry in the linker script, so that the linker sets e_entry.

    Source: rust-vmm linux-loader src/loader/elf/mod.rs, InvalidEntryAddress.
    """
    yield from defects(case, "vmm-entry-low", ENTRY)


@rule("PVH541", ERROR, when=ONCE)
def vmm_finds_no_code_at_its_entry(case: Case) -> Iterator[Defect]:
    """The VMM reads another entry from the notes than QEMU does, or the same one, and nothing is loaded there. OpenVMM
    refuses such a file; the others enter the kernel, which then executes whatever is in memory.

    Put the physical address of the entry's code into the note.

    Source: microsoft/openvmm vm/loader/src/pvh.rs, EntryOutsideLoadSegment.
    """
    yield from defects(case, "vmm-entry-outside", ENTRY)


@rule("PVH542", ERROR, when=ONCE)
def vmm_refuses_a_low_segment(case: Case) -> Iterator[Defect]:
    """The loader of OpenVMM refuses a kernel with a segment below 1 MiB, where it puts its own structures.

    Load the kernel at 1 MiB or above.

    Source: microsoft/openvmm vm/loader/src/pvh.rs, SegmentBelowOneMb.
    """
    yield from defects(case, "vmm-segment-low", SEGMENTS)


@rule("PVH543", ERROR, when=ONCE)
def vmm_refuses_segments_that_share_a_page(case: Case) -> Iterator[Defect]:
    """The loader of OpenVMM loads whole pages, so it refuses two segments that have bytes in the same page.

    Align each segment to 4096 bytes.

    Source: microsoft/openvmm vm/loader/src/pvh.rs, OverlappingLoadSegments.
    """
    yield from defects(case, "vmm-shared-page", SEGMENTS)


@rule("PVH544", ERROR, when=ONCE)
def vmm_has_no_ram_for_a_segment(case: Case) -> Iterator[Defect]:
    """Every VMM has a hole in its RAM below 4 GiB, at an address of its own. It refuses a file with a segment there, or
    gokvm, which has no hole, crashes if the segment is beyond its memory. Alioth also loads PT_NOTE and other segments.

    Give every segment with bytes a p_paddr in RAM.

    Source: firecracker src/vmm/src/arch/x86_64/layout.rs; google/alioth alioth/src/loader/xen/xen.rs.
    """
    yield from defects(case, "vmm-no-ram", SEGMENTS)


@rule("PVH545", ERROR, when=ONCE)
def vmm_refuses_the_command_line(case: Case) -> Iterator[Defect]:
    """The VMM has a fixed place for the command line, and does not start a VM whose command line is longer: at most
    2047 bytes under Firecracker, 4095 under Alioth, and 65535 under Cloud Hypervisor, libkrun and OpenVMM.

    Shorten the command line.

    Source: firecracker src/vmm/src/arch/x86_64/layout.rs; cloud-hypervisor arch/src/x86_64/layout.rs.
    """
    yield from defects(case, "vmm-command-line", "machine.append")


@rule("PVH546", WARNING, when=ONCE)
def vmm_and_kernel_share_memory(case: Case) -> Iterator[Defect]:
    """The VMM writes its GDT, start_info, the memory map and the command line to fixed addresses below 1 MiB, and does
    not check whether the kernel is there. What is written last wins: usually the VMM, after it has loaded the kernel.

    Load the kernel at 1 MiB or above.

    Source: firecracker src/vmm/src/arch/x86_64/layout.rs; bobuhiro11/gokvm machine/machine.go.
    """
    yield from defects(case, "vmm-overlap", SEGMENTS)
