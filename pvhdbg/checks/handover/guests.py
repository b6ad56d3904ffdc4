"""PVH611 to PVH621: what only one guest demands of the boot data, or ignores.

A rule here says nothing about other guests. The facts are from the guests' sources; guest_profiles has more of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi.alignment import align_up
from pvhdbg.abi.start_info import MemmapTableEntry
from pvhdbg.abi.text import printable
from pvhdbg.checks.case import BOOT_DATA_STAGES
from pvhdbg.checks.finding import ERROR, INFO, WARNING
from pvhdbg.checks.rules import ONCE, Defect, rule
from pvhdbg.guest_profiles.bsd import FREEBSD, NETBSD, NETBSD_CURRENT
from pvhdbg.guest_profiles.hypervisors import XEN
from pvhdbg.guest_profiles.unikernels import NANOS, OSV, OSV_ENTRY_SIZE, OSV_INFO, OSV_INFO_SIZE, OSV_TABLE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pvhdbg.abi.start_info import StartInfo
    from pvhdbg.checks.case import Case
    from pvhdbg.guest_profiles.profile import GuestProfile

_HEADER = b"header"
_NAME_SHOWN = 40
_PAGE, _START_INFO_ROOM, _WORD = 4096, 64, 4
_XEN_MODULES = 7
_FOUR_GIB = 1 << 32


def _handover(case: Case, *guests: GuestProfile) -> StartInfo | None:
    """Return the start_info of one of these guests, at a stage where the guest has not changed its boot data."""
    is_meant = case.guest in guests and case.capture.stage in BOOT_DATA_STAGES
    return case.valid_start_info if is_meant else None


@rule("PVH611", ERROR)
def freebsd_finds_no_memory_map(case: Case) -> Iterator[Defect]:
    """Without Xen, FreeBSD takes its memory map only from a start_info of version 1 or later whose memmap_paddr is not
    0. Otherwise it halts, before it has a console. On Xen it asks Xen for the map instead.

    Pass a version 1 start_info with memmap_paddr and memmap_entries set.

    Source: FreeBSD sys/x86/xen/pv.c, hammer_time_xen.
    """
    info = _handover(case, FREEBSD)
    if info is None or case.kernel_behavior.xen or (info.version and info.memmap_paddr):
        return
    name = "memmap_paddr" if info.version else "version"
    then = "FreeBSD halts without a message unless it runs on Xen. Pass a version 1 start_info with a memory map."
    yield Defect(case.path_of(name), f"{name} is 0: {then}", case.address_of(name))


@rule("PVH612", WARNING)
def freebsd_takes_module_0_for_loader_metadata(case: Case) -> Iterator[Defect]:
    """FreeBSD takes module 0 for the metadata of its own boot loader. If the command line of the module is "header", a
    header comes first that says where the metadata begins. With any other command line, the metadata must begin at the
    first byte of the module. If FreeBSD finds no kernel in the metadata, it powers the machine off.

    Pass no module, or the metadata of FreeBSD's loader. FreeBSD does not use an initrd.

    Source: FreeBSD sys/x86/xen/pv.c, xen_pvh_parse_preload_data.
    """
    modules = case.modules if _handover(case, FREEBSD) else ()
    name = modules[0].cmdline if modules else None
    if name is not None and name.raw != _HEADER:
        shown = printable(name.raw[:_NAME_SHOWN])
        message = (
            f'cmdline of module 0 is "{shown}", not "header": FreeBSD takes the module for the metadata of its own '
            "loader, and powers off if it finds no kernel in it. Pass no module."
        )
        yield Defect("modules[0].cmdline", message, name.paddr)


@rule("PVH613", WARNING)
def netbsd_copies_more_than_the_command_line(case: Case) -> Iterator[Defect]:
    """NetBSD copies its command line four bytes at a time, until it has copied four zero bytes. If other data follows
    the NUL of the command line, NetBSD copies that data too, up to the next four zero bytes.

    Pad the command line with zeros: at least to the next multiple of four bytes after its NUL, and four bytes more.

    Source: NetBSD 10 sys/arch/amd64/amd64/locore.S, start_xen32.
    """
    cmdline = case.capture.cmdline if _handover(case, NETBSD) else None
    if cmdline is None:
        return
    first = align_up(len(cmdline.raw), _WORD)
    after = case.capture.bytes_at(cmdline.paddr + first, _WORD)
    if after is not None and any(after):
        message = (
            f"cmdline is followed by {after.hex(' ')}: NetBSD copies this as well, up to four zero bytes. Pad the "
            "command line with zeros."
        )
        yield Defect("cmdline", message, cmdline.paddr)


@rule("PVH614", ERROR)
def netbsd_has_one_page_for_the_boot_data(case: Case) -> Iterator[Defect]:
    """NetBSD copies start_info, the memory map and the command line to the one page after its kernel: start_info at its
    beginning, the map 64 bytes later, and then the command line. What does not fit overwrites the page after it.

    Shorten the command line, or pass fewer map entries: 64 bytes, 24 for each entry, and the command line with its
    padding must not exceed 4096 bytes.

    Source: NetBSD 10 sys/arch/amd64/amd64/locore.S, start_xen32.
    """
    info, cmdline = _handover(case, NETBSD), case.capture.cmdline
    if info is None:
        return
    size = 0 if cmdline is None else align_up(len(cmdline.raw), _WORD) + _WORD
    needed = _START_INFO_ROOM + info.memmap_entries * MemmapTableEntry.SIZE + size
    if needed > _PAGE:
        message = (
            f"boot data takes {needed} bytes, more than one page: NetBSD copies it to one page after its kernel, and "
            "overwrites what follows. Shorten the command line or the map."
        )
        yield Defect(case.path_of("memmap_entries"), message, case.address_of("memmap_entries"))


@rule("PVH615", ERROR)
def netbsd_ignores_the_upper_half_of_an_address(case: Case) -> Iterator[Defect]:
    """NetBSD reads only the low 32 bits of the addresses in start_info. From an address of 4 GiB or more it reads other
    memory.

    Place the memory map, the module list and the command line below 4 GiB.

    Source: NetBSD 10 sys/arch/amd64/amd64/locore.S, start_xen32.
    """
    info = _handover(case, NETBSD, NETBSD_CURRENT)
    for name in ("cmdline_paddr", "memmap_paddr") if info else ():
        value = getattr(info, name)
        if value >= _FOUR_GIB:
            message = (
                f"{name} is {value:#x}, above 4 GiB: NetBSD reads memory at {value % _FOUR_GIB:#x} instead. "
                "Place the data below 4 GiB."
            )
            yield Defect(case.path_of(name), message, case.address_of(name))


@rule("PVH616", ERROR)
def xen_has_room_for_seven_modules(case: Case) -> Iterator[Defect]:
    """Xen as a guest converts the module list to an array of eight multiboot modules, of which it needs one itself.
    With eight or more modules it panics. Newer versions of Xen have more room, if they are built for it.

    Pass at most seven modules.

    Source: Xen xen/arch/x86/guest/xen/pvh-boot.c, convert_pvh_info.
    """
    info = _handover(case, XEN)
    if info is not None and info.nr_modules > _XEN_MODULES:
        message = f"nr_modules is {info.nr_modules}, but Xen has room for seven modules: it panics. Pass at most seven."
        yield Defect(case.path_of("nr_modules"), message, case.address_of("nr_modules"))


@rule("PVH617", ERROR)
def xen_supports_only_addresses_below_4_gib(case: Case) -> Iterator[Defect]:
    """Xen as a guest converts start_info to multiboot structures, which have 32-bit addresses. If the command line, a
    module, or a module's command line is at 4 GiB or above, Xen hits a BUG.

    Place the modules and the command lines below 4 GiB.

    Source: Xen xen/arch/x86/guest/xen/pvh-boot.c, convert_pvh_info.
    """
    info = _handover(case, XEN)
    if info is None:
        return
    places = [(case.path_of("cmdline_paddr"), info.cmdline_paddr, case.address_of("cmdline_paddr"))]
    for index, module in enumerate(case.modules):
        for name in ("paddr", "cmdline_paddr"):
            field = module.entry.field(name)
            places.append((f"modules[{index}].{name}", getattr(module.entry, name), module.entry.address_of(field)))
    for path, value, at in places:
        if value >= _FOUR_GIB:
            message = f"{path} is {value:#x}, above 4 GiB: Xen hits a BUG. Place the data below 4 GiB."
            yield Defect(path, message, at)


@rule("PVH618", WARNING, INFO, when=ONCE)
def guest_requires_xen(case: Case) -> Iterator[Defect]:
    """This guest calls the hypervisor below it, and knows only Xen's hypercalls. Xen and GRUB, for example, ask for the
    memory map with a hypercall, and ignore the map in start_info.

    Run it on Xen. With another VMM, only its entry can be examined.

    Source: Xen xen/arch/x86/guest/xen/pvh-boot.c; GRUB grub-core/kern/i386/xen/pvh.c; Mini-OS arch/x86/setup.c.
    """
    if not case.guest.needs_xen or case.kernel_behavior.xen is not False:
        return
    if case.lacks_xen:
        message = f"--vmm reproduces Xen's handover without Xen: {case.guest.needs_xen}. Run it on a real Xen."
        yield Defect("kernel.guest", message, severity=INFO)
    else:
        yield Defect("kernel.guest", f"the VMM is not Xen: {case.guest.needs_xen}. Run it on Xen.")


@rule("PVH619", ERROR)
def osv_overwrites_the_boot_data(case: Case) -> Iterator[Defect]:
    """OSv writes its multiboot information to 0x1000 and its memory map to 0x2000, whatever is there, while it still
    reads the boot data that the VMM passed. Later it reads the command line at its original address.

    Make the VMM place start_info, the memory map and the command line outside these ranges. Alioth, for example, passes
    the command line at 0x2000.

    Source: OSv arch/x64/xen.cc, hvm_xen_extract_boot_params.
    """
    info = _handover(case, OSV)
    if info is None:
        return
    written = [
        (OSV_INFO, OSV_INFO + OSV_INFO_SIZE),
        (OSV_TABLE, OSV_TABLE + info.memmap_entries * OSV_ENTRY_SIZE),
    ]
    for region in case.structures:
        for start, end in written:
            low, high = max(region.start, start), min(region.end, end)
            if low < high:
                message = (
                    f"{region.name} is at {region.start:#x}, where OSv writes ({start:#x}-{end:#x}): OSv overwrites it "
                    "before it has read it. Place it elsewhere."
                )
                yield Defect(region.field, message, region.start)
                break


@rule("PVH620", INFO)
def nanos_ignores_the_command_line(case: Case) -> Iterator[Defect]:
    """Nanos does not read the command line of a PVH boot. It takes its configuration from its disk image.

    Put the configuration into the image. No other change is needed.

    Source: Nanos platform/pc/service.c, pvh_start.
    """
    cmdline = case.capture.cmdline if _handover(case, NANOS) else None
    if cmdline is not None and cmdline.raw:
        message = f"cmdline has {len(cmdline.raw)} bytes, but Nanos ignores it. Put the configuration into its image."
        yield Defect("cmdline", message, cmdline.paddr)


@rule("PVH621", ERROR)
def guest_takes_its_map_only_from_version_1(case: Case) -> Iterator[Defect]:
    """This guest reads the memory map only if version is 1 or later. With version 0, it has no memory and panics. Among
    these guests are Asterinas, Hermit and rust-hypervisor-firmware.

    Pass a version 1 start_info with memmap_paddr and memmap_entries set.

    Source: Asterinas ostd/src/arch/x86/boot/pvh/; the crate pvh; rust-hypervisor-firmware src/pvh.rs.
    """
    info = _handover(case, case.guest)
    if info is not None and case.guest.needs_version_1 and info.version < 1:
        message = (
            f"version is {info.version}: {case.guest.title} takes no memory map from it, and has no memory. Pass a "
            "version 1 start_info."
        )
        yield Defect(case.path_of("version"), message, case.address_of("version"))
