"""Xen's handover to a PVH dom0. It has version 0 and no map: dom0 asks Xen for the map."""

from __future__ import annotations

from pvhdbg.abi.alignment import align_up
from pvhdbg.abi.e820 import NO_MAP, MapEntry
from pvhdbg.vmm_profiles import xen
from pvhdbg.vmm_profiles.profile import XEN, Boot, Fact, Layout, Loader, Places, Profile

_PRIVILEGED_INITDOMAIN = 3
_START_INFO_SIZE, _MODULE_SIZE, _FIRST_MIB = 56, 32, 1 << 20
_RSDP = 0xE0000


def _rounded(size: int, boot: Boot) -> int:
    """Round up to the size of a word of the kernel."""
    word = boot.elf_class // 8
    return align_up(size, word)


def _cmdline_size(boot: Boot) -> int:
    return boot.cmdline_size if boot.cmdline_size > 1 else 0


def _places(boot: Boot) -> Places:
    initrd_room = 0
    if boot.initrd_size:
        initrd_room = xen.page_end(_rounded(boot.initrd_size, boot))
    cmdline_room = _rounded(_cmdline_size(boot), boot)
    module = _MODULE_SIZE if boot.initrd_size else 0
    start = _start(boot, initrd_room + module + cmdline_room + _START_INFO_SIZE)
    cmdline = start + initrd_room
    modlist = cmdline + cmdline_room
    return Places(
        start_info=modlist + module,
        modlist=modlist,
        memmap=None,
        cmdline=cmdline,
        initrd=start if boot.initrd_size else None,
        rsdp=_RSDP,
        tables=_RSDP + 0x40,
    )


def _start(boot: Boot, size: int) -> int:
    """Return the first address from 1 MiB up that has room before the kernel, otherwise the page after the kernel."""
    kernel_start = boot.kernel[0] & -xen.PAGE
    fits = kernel_start > _FIRST_MIB and kernel_start - _FIRST_MIB >= size
    return _FIRST_MIB if fits else xen.page_end(boot.kernel[1])


def _no_map(_boot: Boot) -> tuple[MapEntry, ...]:
    return ()


PROFILE = Profile(
    name="xen-dom0",
    title="Xen, a PVH dom0",
    version=xen.VERSION,
    commit=xen.COMMIT,
    repository=xen.REPOSITORY,
    facts=(
        Fact("start_info has version 0 and the flags PRIVILEGED and INITDOMAIN", "xen/arch/x86/hvm/dom0_build.c"),
        Fact("there is no map: dom0 gets it by hypercall", "xen/arch/x86/hvm/dom0_build.c"),
        Fact("the initrd, the command line, the module list and start_info follow one another", "dom0_build.c"),
        Fact("they begin at 1 MiB if they fit before the kernel, else after the kernel", "dom0_build.c"),
        Fact("start_info is aligned to a word of the kernel only", "dom0_build.c"),
        Fact("all selectors are 0, GDTR and IDTR are 0; the hidden segments are flat", "dom0_build.c, domain.c"),
        Fact(
            "FS and GS are flat as Xen creates a CPU; LDTR is not usable on AMD, and has limit 0 on Intel",
            "vmcs.c",
        ),
        Fact("CR0 is PE and ET; all general registers except EBX are 0, also ESP", "dom0_build.c, domain.c"),
    ),
    layout=Layout(
        version=0,
        flags=_PRIVILEGED_INITDOMAIN,
        map_form=NO_MAP,
        places=_places,
        memory_map=_no_map,
        cmdline_room=None,
        rsdp_paddr=_RSDP,
        cpu=xen.CPU._replace(fs=xen.DATA, gs=xen.DATA),
        has_cmdline=lambda boot: boot.cmdline_size > 1,
        points_to_cmdline=lambda boot: boot.cmdline_size > 1,
    ),
    loader=Loader(
        XEN,
        "xen/common/libelf/libelf-dominfo.c",
    ),
    differs=(*xen.DIFFERS, "the RSDP is at 0xe0000; Xen puts it into memory of the host's firmware"),
)
