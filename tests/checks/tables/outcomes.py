"""Rules about boot_params, e820_table, the kernel's file and its protocol."""

from __future__ import annotations

from pvhdbg.boot.stop.stop import Stop
from pvhdbg.checks.case import Case
from pvhdbg.checks.finding import ERROR
from tests.build import MAP, SANITIZED, START_INFO, TABLE, VARIABLES
from tests.checks import cases
from tests.checks.cases import (
    FREEBSD,
    MACHINE,
    NAME,
    RFC,
    Expected,
    Row,
    after,
    blob,
    bootparams,
    e820,
    entry,
    error,
    halted_early,
    info,
    prepare,
    verdict,
    warning,
    watched,
)
from tests.checks.tables.entry import OTHER_GUEST

ON_MICROVM = MACHINE._replace(machine="microvm,acpi=off")
COPY, PARAMS, KERNEL_PARAMS = (VARIABLES[name] for name in ("pvh_start_info", "pvh_bootparams", "boot_params"))
# Offsets in struct boot_params. The map has six entries; the ISA range is the seventh.
E820_ENTRIES, SENTINEL, VERSION, LOADER, LOADFLAGS, RAMDISK, CMD_LINE = 0x1E8, 0x1EF, 0x206, 0x210, 0x211, 0x218, 0x228
E820_TABLE, ISA, RSDP, EFI = 0x2D0, 0x2D0 + 6 * 20, 0x70, 0x1C0


def half_made(params: dict[int, bytes]) -> Case:
    """Return a case in the middle of xen_prepare_pvh."""
    whole = bootparams(params)
    return Case(Stop(whole.capture._replace(stage="prepare"), whole.earlier[:1], whole.image), whole.machine)


BOOT_PARAMS = (
    Row(
        "PVH401",
        lambda: bootparams({E820_ENTRIES: b"\6"}),
        error("boot_params.e820_entries", PARAMS + 0x1E8),
        bootparams,
    ),
    Row(
        "PVH401",
        lambda: bootparams({E820_ENTRIES: b"\0"}),
        error("boot_params.e820_entries", PARAMS + 0x1E8),
        lambda: half_made({E820_ENTRIES: b"\0"}),
    ),
    Row(
        "PVH401",
        lambda: bootparams({E820_TABLE: b"\1"}),
        error("boot_params.e820_table[0].addr", PARAMS + 0x2D0),
        lambda: bootparams({ISA: b"\1"}),
    ),
    Row(
        "PVH402",
        lambda: bootparams({ISA: b"\1"}),
        warning("boot_params.e820_table[6].addr", PARAMS + 0x348),
        lambda: bootparams({ISA - 20: b"\1"}),
    ),
    Row(
        "PVH403",
        lambda: bootparams({CMD_LINE: b"\0"}),
        error("boot_params.hdr.cmd_line_ptr", PARAMS + 0x228),
        bootparams,
    ),
    Row(
        "PVH404",
        lambda: bootparams({RAMDISK: b"\1"}),
        error("boot_params.hdr.ramdisk_image", PARAMS + 0x218),
        lambda: bootparams({CMD_LINE: b"\1"}),
    ),
    Row(
        "PVH405",
        lambda: bootparams({VERSION: b"\x0d\x02"}),
        warning("boot_params.hdr.version", PARAMS + 0x206),
        lambda: bootparams({VERSION: b"\x12\x02"}),
    ),
    Row(
        "PVH406",
        lambda: bootparams({LOADER: b"\0"}),
        error("boot_params.hdr.type_of_loader", PARAMS + 0x210),
        bootparams,
    ),
    Row(
        "PVH406",
        lambda: bootparams({LOADER: b"\x21"}),
        warning("boot_params.hdr.type_of_loader", PARAMS + 0x210),
        lambda: bootparams({LOADFLAGS: b"\x21"}),
    ),
    Row(
        "PVH406",
        lambda: bootparams({LOADER: b"\0", RAMDISK + 4: bytes(4)}),
        warning("boot_params.hdr.type_of_loader", PARAMS + 0x210),
        bootparams,
    ),
    Row("PVH407", lambda: bootparams({RSDP: b"\1"}), warning("boot_params.acpi_rsdp_addr", PARAMS + 0x70), bootparams),
    Row("PVH408", lambda: bootparams({SENTINEL: b"\xff"}), warning("boot_params.sentinel", PARAMS + 0x1EF), bootparams),
    Row(
        "PVH408",
        lambda: bootparams({LOADFLAGS: b"\2"}),
        warning("boot_params.hdr.loadflags", PARAMS + 0x211),
        lambda: bootparams({EFI: b"\1"}),
    ),
    Row(
        "PVH409",
        lambda: bootparams({EFI: b"EL32"}),
        warning("boot_params.efi_info.efi_loader_signature", PARAMS + 0x1C0),
        lambda: bootparams({SENTINEL: b"\1"}),
    ),
    Row(
        "PVH410",
        lambda: bootparams({VERSION: b"\x12\x02"}),
        info("boot_params.hdr.version", PARAMS + 0x206),
        bootparams,
    ),
    Row(
        "PVH411",
        lambda: bootparams({LOADER: b"\x90"}),
        info("boot_params.hdr.type_of_loader", PARAMS + 0x210),
        bootparams,
    ),
    Row(
        "PVH412",
        lambda: cases.kernel({SENTINEL: b"\1"}),
        warning("kernel_boot_params.sentinel", KERNEL_PARAMS + 0x1EF),
        lambda: cases.kernel({}),
    ),
)

LOW, HIGH = SANITIZED[0], SANITIZED[-1]
E820 = (
    Row(
        "PVH421",
        lambda: e820((*SANITIZED[:-1], (HIGH[0], HIGH[1] - 4096, 1))),
        warning("e820_table[4]", TABLE + 0x54),
        lambda: e820(SANITIZED),
    ),
    Row("PVH421", lambda: e820(SANITIZED[:-1]), warning("e820_table", TABLE), lambda: e820(SANITIZED, {})),
    Row("PVH421", lambda: e820(SANITIZED[:-1]), warning("e820_table", TABLE), lambda: after(e820(SANITIZED[:-1]))),
    Row("PVH422", lambda: e820((LOW,)), error("e820_table", TABLE), lambda: e820(SANITIZED)),
    Row(
        "PVH422",
        lambda: e820((LOW, (HIGH[0], HIGH[1] - (1 << 20), 1))),
        error("e820_table", TABLE),
        lambda: e820((LOW, (HIGH[0], HIGH[1] - 4096, 1))),
    ),
)

SLUGS = (
    ("linux-protocol", "PVH501", error("kernel.path")),
    ("multiboot", "PVH502", error("kernel.path")),
    ("not-x86", "PVH503", error("kernel.path")),
    ("elf-flags", "PVH504", error("kernel.path")),
    ("machine-without-pvh", "PVH505", error("machine.machine")),
    ("segment-sizes", "PVH506", error("kernel.segments")),
    ("beyond-memory", "PVH507", error("kernel.segments")),
    ("segments-overlap", "PVH508", error("kernel.segments")),
    ("note-align-zero", "PVH509", error("kernel.notes")),
    ("entry-zero", "PVH510", error("kernel.notes")),
    ("note-align", "PVH511", error("kernel.notes")),
    ("note-not-in-segment", "PVH512", error("kernel.notes")),
    ("notes-zeroed", "PVH513", error("kernel.notes")),
    ("no-note", "PVH514", error("kernel.notes")),
    ("decoy-note", "PVH515", warning("kernel.notes")),
    ("decoy-note", "PVH515", error("kernel.notes")),
    ("owner-not-xen", "PVH516", warning("kernel.notes")),
    ("note-misplaced", "PVH517", warning("kernel.notes")),
    ("note-size", "PVH518", warning("kernel.notes")),
    ("note-scan-lost", "PVH519", error("kernel.notes")),
    ("note-scan-lost", "PVH519", warning("kernel.notes")),
    ("entry-outside", "PVH520", error("kernel.entry")),
    ("entry-zeros", "PVH521", warning("kernel.entry")),
    ("without-pae", "PVH522", warning("kernel.entry")),
    ("append-too-long", "PVH523", error("machine.append")),
    ("append-too-long", "PVH523", warning("machine.append")),
    ("note-shifted", "PVH524", error("kernel.notes")),
    ("note-padding", "PVH525", warning("kernel.notes")),
    ("note-name-without-nul", "PVH526", warning("kernel.notes")),
    ("note-damaged", "PVH527", error("kernel.notes")),
    ("note-damaged", "PVH527", warning("kernel.notes")),
    ("note-in-progbits", "PVH528", error("kernel.notes")),
    ("entry-too-big", "PVH529", error("kernel.entry")),
    ("entry-too-big", "PVH529", warning("kernel.entry")),
    ("entry-is-vaddr", "PVH530", error("kernel.entry")),
    ("image-moved", "PVH531", error("kernel.entry")),
    ("paddr-is-vaddr", "PVH532", error("kernel.segments")),
    ("segment-above-4g", "PVH533", error("kernel.segments")),
    ("segment-above-4g", "PVH533", warning("kernel.segments")),
    ("segment-in-pci-hole", "PVH534", error("kernel.segments")),
    ("segment-in-firmware", "PVH535", error("kernel.segments")),
    ("multiboot-64", "PVH536", error("kernel.path")),
    ("multiboot-too-deep", "PVH537", error("kernel.path")),
    ("multiboot2", "PVH538", error("kernel.path")),
    ("vmm-no-entry", "PVH539", error("kernel.notes")),
    ("vmm-entry-low", "PVH540", error("kernel.entry")),
    ("vmm-entry-outside", "PVH541", error("kernel.entry")),
    ("vmm-segment-low", "PVH542", error("kernel.segments")),
    ("vmm-shared-page", "PVH543", error("kernel.segments")),
    ("vmm-no-ram", "PVH544", error("kernel.segments")),
    ("vmm-command-line", "PVH545", error("machine.append")),
    ("vmm-overlap", "PVH546", warning("kernel.segments")),
)


def _of_slug(slug: str, code: str, findings: Expected) -> Row:
    severity = "fatal" if findings[0][0] == ERROR else "warning"
    return Row(code, lambda: verdict(slug, severity), findings, lambda: verdict("something-else", severity))


IMAGE = tuple(_of_slug(*row) for row in SLUGS)

PROTOCOL = (
    Row(
        "PVH601",
        lambda: entry(symbols=RFC),
        error("start_info.memmap_entries", START_INFO + 0x30),
        lambda: entry(symbols=RFC, **blob()),
    ),
    Row("PVH601", lambda: e820(SANITIZED, RFC), error("e820_table", TABLE), lambda: e820(SANITIZED)),
    Row(
        "PVH601",
        lambda: bootparams({}, RFC),
        error("pvh_start_info.memmap_entries", COPY + 0x30),
        bootparams,
    ),
    Row(
        "PVH601",
        lambda: cases.kernel({}, RFC),
        error("kernel_boot_params.e820_entries", KERNEL_PARAMS + 0x1E8),
        lambda: cases.kernel({}),
    ),
    Row(
        "PVH601",
        lambda: entry(None, symbols=RFC),
        error("start_info.version", START_INFO + 0x4),
        lambda: entry(symbols=RFC, **blob(table=MAP)),
    ),
    Row(
        "PVH601",
        lambda: prepare(symbols=RFC),
        error("pvh_start_info.memmap_entries", COPY + 0x30),
        lambda: prepare(symbols=RFC, magic=0),
    ),
    Row("PVH602", lambda: entry(**blob()), error("modules[1].cmdline", NAME), lambda: entry(symbols=RFC, **blob())),
    Row("PVH602", lambda: entry(**blob(), **OTHER_GUEST), warning("modules[1].cmdline", NAME), entry),
    Row(
        "PVH603",
        lambda: entry(image=FREEBSD),
        warning("kernel.notes"),
        lambda: entry(image=FREEBSD, machine=MACHINE._replace(accel=None)),
    ),
)


WATCHED = (
    Row(
        "PVH912",
        lambda: watched("panicked", "Invalid user supplied memory map"),
        error("outcome.watched"),
        lambda: watched("panicked", "VFS: Unable to mount root fs on unknown-block(0,0)"),
    ),
    Row(
        "PVH912",
        lambda: watched("panicked", "", symbol=None, rip=None),
        error("outcome.watched"),
        lambda: watched("time", "Invalid user supplied memory map"),
    ),
    Row(
        "PVH912",
        lambda: watched("panicked", "\x1b[2J" * 90),
        error("outcome.watched"),
        lambda: watched("console"),
    ),
    Row(
        "PVH913",
        lambda: watched("panicked", "No working init found.  Try passing init= option to kernel."),
        info("outcome.watched"),
        lambda: watched("panicked", "Attempted to kill init! exitcode=0x00000100"),
    ),
    Row(
        "PVH913",
        lambda: watched("panicked", "VFS: Unable to mount root fs on %s", machine=MACHINE._replace(initrd="initrd")),
        info("outcome.watched"),
        lambda: watched("halted", "VFS: Unable to mount root fs on %s"),
    ),
    Row(
        "PVH913",
        lambda: watched("panicked", "No working init found.", cmdline_paddr=0x123456789),
        info("outcome.watched"),
        lambda: watched("panicked", "Attempted to kill init!", cmdline_paddr=0x123456789),
    ),
    Row(
        "PVH913",
        lambda: watched("panicked", "No working init found.", cmdline_paddr=0, nr_modules=0),
        info("outcome.watched"),
        lambda: watched("reset", "No working init found.", cmdline_paddr=0, nr_modules=0),
    ),
    Row("PVH914", lambda: watched("halted", symbol="halt+0x17"), info("outcome.watched"), lambda: watched("time")),
    Row("PVH914", lambda: watched("halted"), info("outcome.watched"), halted_early),
    Row("PVH915", lambda: watched("reset", rip=0xFFF0), error("outcome.watched"), lambda: watched("died", rip=0xFFF0)),
    Row("PVH917", lambda: watched("runaway", rip=0x5FF), error("outcome.watched"), lambda: watched("time", rip=0x5FF)),
    Row(
        "PVH916",
        lambda: watched("time", symbol="calibrate_delay+0x37f", machine=ON_MICROVM),
        info("outcome.watched"),
        lambda: watched("time", symbol="calibrate_delay+0x37f", machine=ON_MICROVM._replace(machine="q35")),
    ),
    Row(
        "PVH916",
        lambda: watched("time", symbol="delay_loop+0x1c", machine=ON_MICROVM),
        info("outcome.watched"),
        lambda: watched("panicked", symbol="calibrate_delay+0x37f", machine=ON_MICROVM),
    ),
)


ROWS = (*BOOT_PARAMS, *E820, *IMAGE, *PROTOCOL, *WATCHED)
