"""Start the kernel as dom0 of a real Xen: `--xen` and `--xen-image`."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from pvhdbg.boot.record.document import ram_size
from pvhdbg.cli.values import Default
from pvhdbg.errors import GuestError, UserError
from pvhdbg.live.qemu import options as qemu_defaults
from pvhdbg.live.qemu import xen
from pvhdbg.live.qemu.xen import XenImage

if TYPE_CHECKING:
    import argparse

    from pvhdbg.image.facts import ImageFacts
    from pvhdbg.live.qemu.options import QemuOptions

NO_SNAPSHOTS = "QEMU takes no snapshots of a machine with an IOMMU, which Xen needs"
_LEAST_MEMORY = 576 << 20
"""With less memory, Xen 4.17 starts no dom0."""
_HINT = "pass Xen's xen-4.17-amd64.gz with --xen-image"
_DEFAULT_MACHINE = "microvm"


def unpacked_xen(options: argparse.Namespace, folder: Path) -> XenImage:
    """Return the Xen that starts the kernel, unpacked into `folder`.

    :raise UserError: for an option that --xen sets itself, or if the image can't be read.
    :raise MachineError: if there is no Xen.
    """
    _check_options(options)
    from pvhdbg.image.facts import EM_386
    from pvhdbg.image.load import open_kernel

    path = xen.find_image(options.xen_image)
    try:
        image = open_kernel(str(path), folder)
    except UserError as error:  # the hint is about kernels
        raise UserError(str(error), _HINT) from error
    image.symbols.close()
    if image.facts.machine != EM_386 or not _has_multiboot_header(image.facts.elf):
        raise UserError(f"{path}: not a Xen that QEMU can start", _HINT)
    elf = Path(image.facts.elf)
    if image.facts.is_unpacked:  # the kernel may be unpacked to the same name
        elf = elf.replace(folder / "xen")
    return XenImage(str(path), str(elf))


def _has_multiboot_header(path: str) -> bool:
    """Return whether QEMU starts this file by multiboot, as it must start Xen. A PVH guest may be 32-bit, too."""
    from pvhdbg.image.file import open_file
    from pvhdbg.image.multiboot import find_multiboot1

    with closing(open_file(path)) as data:
        return find_multiboot1(data) is not None


def _check_options(options: argparse.Namespace) -> None:
    given = {
        f"-M {options.machine}": options.machine != _DEFAULT_MACHINE,
        f"--cpu {options.cpu}": options.cpu is not None,
        "--accel kvm": options.accel != "tcg",
        "--load": options.load,
    }
    for option in (option for option, is_given in given.items() if is_given):
        raise UserError(f"{option}: --xen already sets the machine, the CPU and the handover", f"leave out {option}")
    size = ram_size(options.memory)
    if size is not None and size < _LEAST_MEMORY and not isinstance(options.memory, Default):
        raise UserError(f"-m {options.memory}: too little memory for Xen and a dom0 of 512 MiB", "use -m 576M or more")


def qemu_options(options: argparse.Namespace, facts: ImageFacts, image: XenImage, folder: Path) -> QemuOptions:
    """Return the options of a QEMU that starts Xen, with the kernel as its dom0. A copy of the kernel is in `folder`.

    :raise GuestError: if Xen can't start the kernel.
    :raise MachineError: if the copy can't be written.
    """
    from pvhdbg.image.loaded_part import write_loaded_part

    if facts.entry is None:
        raise GuestError(
            f"{facts.path}: Xen cannot start this kernel as a PVH dom0: it has no PHYS32_ENTRY note, or its entry is 0",
            "see its notes with: pvhdbg inspect KERNEL",
        )
    kernel = folder / "dom0"
    write_loaded_part(facts.elf, kernel)
    return qemu_defaults.QemuOptions(
        kernel=str(kernel),
        initrd=None if options.initrd is None else str(options.initrd),
        append=xen.DEFAULT_APPEND if isinstance(options.append, Default) else options.append,
        memory=xen.DEFAULT_MEMORY if isinstance(options.memory, Default) else options.memory,
        machine=xen.MACHINE,
        cpu=xen.CPU,
        binary=options.qemu or "qemu-system-x86_64",
        args=tuple(options.qemu_args),
        no_snapshots=NO_SNAPSHOTS,
        xen=image,
    )
