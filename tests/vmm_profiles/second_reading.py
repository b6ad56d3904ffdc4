"""What guest memory and the CPU hold at PHYS32_ENTRY under each VMM, read a second time in the VMM's public source.

Whoever wrote this table had not seen the profiles in `pvhdbg/vmm_profiles/`, so that a test can compare the two. Each
reading names the version, the commit and the files. None: the source leaves the value to the host or to something else
that this table cannot know; the comment says what.
"""

from dataclasses import dataclass

MIB, GIB = 1 << 20, 1 << 30
SIZES = (128 * MIB, 512 * MIB, 4 * GIB, 8 * GIB)
RAM, RESERVED, ACPI, NVS = 1, 2, 3, 4
Entry = tuple[int, int, int]  # address, size, type


@dataclass(frozen=True)
class Source:
    repository: str
    version: str
    commit: str
    files: tuple[str, ...]


@dataclass(frozen=True)
class Segment:
    """Selector, base, limit in bytes, and the access rights as VMX counts them: G, D, L and AVL in bits 15 to 12."""

    selector: int
    base: int
    limit: int
    access: int


@dataclass(frozen=True)
class Cpu:
    """The CPU at the entry. A register that is not in `general` is 0, ESP among them."""

    segments: dict[str, Segment]
    gdt: tuple[int, int]  # base and limit
    idt: tuple[int, int]
    cr0: int
    general: dict[str, int | None]
    cr4: int = 0
    efer: int = 0
    eflags: int = 2


@dataclass(frozen=True)
class Reading:
    source: Source
    start_info: int | None  # its address
    version: int
    cmdline: int | None  # its address
    cmdline_limit: int | None  # the most characters it can have, without the NUL; None: no limit
    rsdp: int | None
    modlist: int | None  # its address if an initrd is passed; 0 if not
    memmap: int | None
    maps: dict[int, tuple[Entry, ...]]
    cpu: Cpu
    gdt_entries: tuple[int, ...]
    flags: int = 0
    initrd_of_4096: dict[int, int] | None = None  # where an initrd of 4096 bytes lies
    words: tuple[tuple[int, int, int], ...] = ()  # address, bytes, value of what else the VMM writes below 1 MiB
    structures: tuple[tuple[int, str], ...] = ()  # address and name of what it writes whose bytes depend on the machine


CODE, DATA, TSS = 0x00CF9B000000FFFF, 0x00CF93000000FFFF, 0x00008B0000000067
FOUR_GIB = 0xFFFFFFFF
# What KVM leaves in LDTR, if the VMM changes only what it knows of.
KVM_LDTR = Segment(0, 0, 0xFFFF, 0x82)


def _segments(code: Segment, data: Segment, task: Segment, ldtr: Segment) -> dict[str, Segment]:
    return {"cs": code, **dict.fromkeys(("ds", "es", "ss", "fs", "gs"), data), "tr": task, "ldtr": ldtr}


_RUST_VMM = _segments(
    Segment(0x8, 0, FOUR_GIB, 0xC09B), Segment(0x10, 0, FOUR_GIB, 0xC093), Segment(0x18, 0, 0x67, 0x8B), KVM_LDTR
)


def _by_size(*maps: tuple[Entry, ...]) -> dict[int, tuple[Entry, ...]]:
    return dict(zip(SIZES, maps, strict=True))


# The first entries of Firecracker's map: low memory, the tables' place, the PCI configuration space.
_FC = ((0, 0x9FC00, RAM), (0x9FC00, 0x40400, RESERVED), (0xEEC00000, 0x10000000, RESERVED))

FIRECRACKER = Reading(
    Source(
        "firecracker-microvm/firecracker",
        "1.16.0-dev",
        "81b38b9dad6056d7a48073e95ac5a9aed51cb2ab",
        tuple(f"src/vmm/src/arch/x86_64/{name}.rs" for name in ("layout", "mod", "regs", "gdt", "mptable")),
    ),
    start_info=0x6000,
    version=1,
    cmdline=0x20000,
    cmdline_limit=2047,
    rsdp=0,  # although the RSDP is at 0xe0000: only the Linux protocol's boot_params tells where
    modlist=0x6040,
    memmap=0x7000,
    maps=_by_size(
        (*_FC, (0x100000, 0x7F00000, RAM)),
        (*_FC, (0x100000, 0x1FF00000, RAM)),
        (*_FC, (0x100000, 0xBFF00000, RAM), (0x100000000, 0x40000000, RAM)),
        (*_FC, (0x100000, 0xBFF00000, RAM), (0x100000000, 0x140000000, RAM)),
    ),
    cpu=Cpu(_RUST_VMM, gdt=(0x500, 0x1F), idt=(0x520, 7), cr0=0x11, general={"rbx": 0x6000}),
    gdt_entries=(0, CODE, DATA, TSS),
    initrd_of_4096=dict(zip(SIZES, (0x7FFF000, 0x1FFFF000, 0xBFFFF000, 0xBFFFF000), strict=True)),
    words=((0x520, 8, 0),),
    structures=((0x9FC00, "MP table"), (0xE0000, "RSDP")),
)

CLOUD_HYPERVISOR = Reading(
    Source(
        "cloud-hypervisor/cloud-hypervisor",
        "53.0",
        "ae44c2971c83dd2b1bd704fa81102ec0dec4e7d4",
        (*(f"arch/src/x86_64/{name}.rs" for name in ("layout", "mod", "regs", "smbios", "mptable")), "vmm/src/vm.rs"),
    ),
    start_info=0x6000,
    version=1,
    cmdline=0x20000,
    cmdline_limit=0xFFFF,
    rsdp=0xA0000,
    modlist=0x6040,
    memmap=0x7000,
    maps=_by_size(
        ((0, 0xA0000, RAM), (0x100000, 0x7F00000, RAM), (0xE8000000, 0x10000000, RESERVED)),
        ((0, 0xA0000, RAM), (0x100000, 0x1FF00000, RAM), (0xE8000000, 0x10000000, RESERVED)),
        (
            *((0, 0xA0000, RAM), (0x100000, 0xBFF00000, RAM)),
            *((0x100000000, 0x40000000, RAM), (0xE8000000, 0x10000000, RESERVED)),
        ),
        (
            *((0, 0xA0000, RAM), (0x100000, 0xBFF00000, RAM)),
            *((0x100000000, 0x140000000, RAM), (0xE8000000, 0x10000000, RESERVED)),
        ),
    ),
    cpu=Cpu(_RUST_VMM, gdt=(0x500, 0x1F), idt=(0x520, 7), cr0=0x1, general={"rbx": 0x6000}),
    gdt_entries=(0, CODE, DATA, TSS),
    initrd_of_4096=dict(zip(SIZES, (0x7FFF000, 0x1FFFF000, 0xBFFFF000, 0xBFFFF000), strict=True)),
    words=((0x40E, 2, 0xA000), (0x520, 8, 0)),
    structures=((0xA0000, "RSDP"), (0xF0000, "SMBIOS")),  # the MP table follows SMBIOS, at the next 16 bytes
)

# libkrun counts one byte too many in the last entry: it adds 1 to an end that is already the first byte after memory.
_KRUN = ((0, 0x9FC00, RAM), (0x9FC00, 0x40400, RESERVED))

LIBKRUN = Reading(
    Source(
        "containers/libkrun",
        "1.18.0",
        "6ed74facc26d857e57a6a952635eb2890d87b99c",
        (*(f"src/arch/src/x86_64/{name}.rs" for name in ("layout", "mod", "regs", "gdt")), "src/vmm/src/builder.rs"),
    ),
    start_info=0x6000,
    version=1,
    cmdline=0x20000,
    cmdline_limit=0xFFFF,
    rsdp=0,  # and no ACPI tables
    modlist=0x6040,
    memmap=0x7000,
    maps=_by_size(
        (*_KRUN, (0x100000, 0x7F00001, RAM)),
        (*_KRUN, (0x100000, 0x1FF00001, RAM)),
        (*_KRUN, (0x100000, 0xCFF00000, RAM), (0x100000000, 0x30000001, RAM)),
        (*_KRUN, (0x100000, 0xCFF00000, RAM), (0x100000000, 0x130000001, RAM)),
    ),
    cpu=Cpu(_RUST_VMM, gdt=(0x500, 0x1F), idt=(0x520, 7), cr0=0x11, general={"rbx": 0x6000}),
    gdt_entries=(0, CODE, DATA, TSS),
    # The end of memory less the size, not aligned: above 4 GiB if memory reaches there.
    initrd_of_4096=dict(zip(SIZES, (0x7FFF000, 0x1FFFF000, 0x12FFFF000, 0x22FFFF000), strict=True)),
    words=((0x520, 8, 0),),
    structures=((0x9FC00, "MP table"),),
)

_ALIOTH_LOW = ((0, 0x500, RESERVED), (0x500, 0x7FB00, RAM), (0x80000, 0x20000, ACPI))
_ALIOTH_PCI = (0xE0000000, 0x10000000, RESERVED)

ALIOTH = Reading(
    Source(
        "google/alioth",
        "0.12.0",
        "c78f8bd5160ea25935eb1cbeb3cc033c5ad1cc74",
        tuple(f"alioth/src/{x}.rs" for x in ("loader/xen/xen", "arch/x86_64/layout", "board/board_amd64/board_amd64")),
    ),
    start_info=0x1000,
    version=1,
    cmdline=0x2000,  # also without a command line
    cmdline_limit=4095,
    rsdp=0x80000,
    modlist=0x1038,
    memmap=0x1058,
    maps=_by_size(
        (*_ALIOTH_LOW, (0xA0000, 0x7F60000, RAM), _ALIOTH_PCI),
        (*_ALIOTH_LOW, (0xA0000, 0x1FF60000, RAM), _ALIOTH_PCI),
        (*_ALIOTH_LOW, (0xA0000, 0x7FF60000, RAM), _ALIOTH_PCI, (0x100000000, 0x80000000, RAM)),
        (*_ALIOTH_LOW, (0xA0000, 0x7FF60000, RAM), _ALIOTH_PCI, (0x100000000, 0x180000000, RAM)),
    ),
    cpu=Cpu(
        # The limit is 256 MiB: one F is missing. What the GDT says is 4 GiB, because an entry has only 20 bits of it.
        _segments(
            Segment(0x10, 0, 0xFFFFFFF, 0xC09B),
            Segment(0x18, 0, 0xFFFFFFF, 0xC093),
            Segment(0x20, 0, 0x67, 0x8B),
            Segment(0x28, 0, 0, 0x82),
        ),
        gdt=(0x500, 0x2F),
        idt=(0, 0),
        cr0=0x1,
        general={"rbx": 0x1000, "rdx": 0x600},  # EDX as KVM resets it: the other registers stay as they are
    ),
    gdt_entries=(0, 0, CODE, DATA, TSS, 0x0000820000000000),
    initrd_of_4096=dict(zip(SIZES, (0x7FFF000, 0x1FFFF000, 0x7FFFF000, 0x7FFFF000), strict=True)),
    structures=((0x80000, "RSDP"),),
)

GOKVM = Reading(
    Source(
        "bobuhiro11/gokvm",
        "0.0.7-247",
        "cef5f617eb00a5d026ed258b9e0440275d886f2b",
        ("machine/machine.go", "pvh/pvhboot.go", "pvh/gdt.go", "pvh/memory_layout.go", "bootparam/bootparam.go"),
    ),
    start_info=0x6000,
    version=1,
    cmdline=0x20000,  # but the text is written only if there is an initrd
    cmdline_limit=None,
    rsdp=0x9FC00,  # the extended BIOS data area, where an MP table is: there is no RSDP
    modlist=0x6040,
    memmap=0x7000,
    maps=_by_size(
        # All memory is one piece: there is no hole below 4 GiB.
        *(((0, 0x9FC00, RAM), (0x100000, size - MIB, RAM)) for size in SIZES)
    ),
    cpu=Cpu(_RUST_VMM, gdt=(0x500, 0x1F), idt=(0x520, 8), cr0=0x1, general={"rbx": 0x6000, "rdx": 0x600}),
    gdt_entries=(0, CODE, DATA, TSS),
    initrd_of_4096=dict.fromkeys(SIZES, 0xF000000),
    words=((0x40E, 4, 0x9FC0),),
    structures=((0x9FC30, "MP table"),),
)

OPENVMM = Reading(
    Source(
        "microsoft/openvmm",
        "the microVM profile, while it was in development: the main branch has no PVH",
        "337487681c5c0a706c8663dc34e874656ff4af90",
        ("vm/loader/src/pvh.rs", "vmm_core/virt/src/x86/vp.rs"),
    ),
    start_info=0x6000,
    version=1,
    cmdline=0x20000,
    cmdline_limit=0xFFFF,
    rsdp=0x8000,
    modlist=0x6040,
    memmap=0x7000,
    maps=_by_size(
        # One entry for each piece of memory, and none for the hole between 640 KiB and 1 MiB.
        ((0, 0x8000000, RAM),),
        ((0, 0x20000000, RAM),),
        ((0, 0xC0000000, RAM), (0x100000000, 0x40000000, RAM)),
        ((0, 0xC0000000, RAM), (0x100000000, 0x140000000, RAM)),
    ),
    cpu=Cpu(
        _RUST_VMM, gdt=(0x800, 0x1F), idt=(0x820, 0), cr0=0x1, general={"rbx": 0x6000, "rdx": None}
    ),  # EDX: CPUID 1
    gdt_entries=(0, CODE, DATA, TSS),
    initrd_of_4096=dict(zip(SIZES, (0x7FFF000, 0x1FFFF000, 0xBFFFF000, 0xBFFFF000), strict=True)),
    structures=((0, "MP table"), (0x8000, "RSDP")),
)

_XEN = Source(
    "xen-project/xen",
    "4.23-dev",
    "c447b7308b1330ec6dcfef37220736c28f41daa0",
    (
        *("tools/libs/guest/xg_dom_x86.c", "tools/libs/light/libxl_x86.c", "tools/libs/light/libxl_x86_acpi.c"),
        *("xen/arch/x86/hvm/dom0_build.c", "xen/arch/x86/hvm/domain.c", "xen/arch/x86/hvm/vmx/vmcs.c"),
    ),
)
_UNUSABLE = Segment(0, 0, 0, 0)
_XEN_CODE, _XEN_DATA, _XEN_TASK = (
    *(Segment(0, 0, FOUR_GIB, 0xC09B), Segment(0, 0, FOUR_GIB, 0xC093)),
    Segment(0, 0, 0x67, 0x8B),
)


def domu_map(size: int, table_pages: int, in_bios_area: bool = False) -> tuple[Entry, ...]:
    """Return a domU's map, in libxl's order.

    `table_pages` depends on the ACPI tables, so on the number of CPUs. The RSDP is in the last 64 bytes below 1 MiB
    for a Linux without the feature linux_rsdp_unrestricted.
    """
    low = min(size, 0xFC000000)
    rsdp = (0xFF000, 0x1000, NVS) if in_bios_area else (0xFC001000 + table_pages * 0x1000, 64, NVS)
    return (
        *((0, low, RAM), (0xFEFF8000, 0x8000, RESERVED), rsdp),
        *((0xFC000000, 0x1000, NVS), (0xFC001000, table_pages * 0x1000, NVS)),
        *(((0x100000000, size - low, RAM),) if size > low else ()),
    )


XEN_DOMU = Reading(
    _XEN,
    start_info=None,  # the first page after the kernel and the initrd
    version=1,
    cmdline=None,  # start_info + 56; its room is its length and the NUL, rounded up to 8
    cmdline_limit=None,
    rsdp=None,  # see domu_map
    modlist=None,  # after the command line
    memmap=None,  # 2112 bytes after the module list: 2 modules, and 1024 bytes of command line for each
    maps={size: domu_map(size, 1) for size in SIZES},
    cpu=Cpu(
        {
            **_segments(_XEN_CODE, _XEN_DATA, _XEN_TASK, _UNUSABLE),
            "fs": _UNUSABLE,
            "gs": _UNUSABLE,
        },
        gdt=(0, 0),
        idt=(0, 0),
        cr0=0x11,
        general={"rbx": None},
    ),
    gdt_entries=(),
)

XEN_DOM0 = Reading(
    _XEN,
    start_info=None,  # after the initrd, the command line (rounded up to the kernel's word) and the module list
    version=0,
    cmdline=None,  # 0 without one
    cmdline_limit=None,
    rsdp=None,
    modlist=None,
    memmap=0,
    maps=dict.fromkeys(SIZES, ()),  # a hypercall returns the map
    cpu=Cpu(
        # FS and GS as Xen creates a virtual CPU. LDTR as on AMD's SVM; on VMX, it is present, with limit 0.
        _segments(_XEN_CODE, _XEN_DATA, _XEN_TASK, _UNUSABLE),
        gdt=(0, 0),
        idt=(0, 0),
        cr0=0x11,
        general={"rbx": None},
    ),
    gdt_entries=(),
    flags=3,
)

# The prototype of 2017 was never published; the RFC says what its kernel reads, and the ABI of that time the CPU.
RFC2017_VERSION = 0
RFC2017_MODULE = 1  # the module with the map; module 0 is the initrd, and has to be there
RFC2017_NAME = b"e820 data\0"
RFC2017_BLOB = (4, 20)  # a u32 count, then packed entries: u64 address, u64 size, u32 type

READINGS = {
    "firecracker": FIRECRACKER,
    "cloud-hypervisor": CLOUD_HYPERVISOR,
    "libkrun": LIBKRUN,
    "alioth": ALIOTH,
    "gokvm": GOKVM,
    "openvmm": OPENVMM,
    "xen-domu": XEN_DOMU,
    "xen-dom0": XEN_DOM0,
}
