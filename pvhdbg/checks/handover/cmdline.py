"""PVH320 to PVH325: the command line, from -append to the part that Linux keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi.boot_params import COMMAND_LINE_SIZE
from pvhdbg.checks.finding import ERROR, INFO, WARNING
from pvhdbg.checks.rules import Defect, rule
from pvhdbg.lazy_pattern import pattern
from pvhdbg.vmm_profiles.profile import Boot
from pvhdbg.vmm_profiles.table import NAMES, profile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pvhdbg.checks.case import Case
    from pvhdbg.vmm_profiles.profile import Layout

_NOT_ASCII = pattern(rb"[^\t\x20-\x7e]")


@rule("PVH320", ERROR, WARNING)
def command_line_was_not_passed(case: Case) -> Iterator[Defect]:
    """QEMU was started with a command line, but the guest did not get it. The guest boots with its defaults, for
    example without a serial console. gokvm passes the command line only together with an initrd.

    Make the VMM set cmdline_paddr to the address of the command line. 0 means that there is no command line. Under
    gokvm, pass an initrd.

    Source: Xen start_info.h; bobuhiro11/gokvm machine/machine.go.
    """
    info, cmdline = case.valid_start_info, case.capture.cmdline
    if info is None or not case.append or case.append.isspace():
        return
    if info.cmdline_paddr == 0:
        defect = "cmdline_paddr is 0, but QEMU was given a command line"
    elif cmdline is not None and not cmdline.raw:
        defect = f"cmdline at {info.cmdline_paddr:#x} is empty, but QEMU was given a command line"
    else:
        return
    fix, severity = "Make cmdline_paddr point to the command line", ERROR
    if (title := _needs_initrd(case)) is not None:
        defect, fix, severity = f"{title} passes the command line only with an initrd", "Pass one with -i", WARNING
    message = f"{defect}: the guest boots with its defaults. {fix}."
    yield Defect(case.path_of("cmdline_paddr"), message, case.address_of("cmdline_paddr"), severity)


def _needs_initrd(case: Case) -> str | None:
    """Return the title of a VMM that passes the command line only with an initrd, if there is none; otherwise None."""
    layout = _layout(case)
    if layout is None or case.initrd is not None:
        return None
    boots = [Boot(0, len(case.append or "") + 1, size) for size in (None, 1)]
    has_initrd = [layout.has_cmdline(boot) for boot in boots]
    return profile(case.machine.vmm.name).title if case.machine.vmm and has_initrd == [False, True] else None


def _layout(case: Case) -> Layout | None:
    """Return what the VMM of --vmm hands over; None for another VMM."""
    vmm = case.machine.vmm
    return profile(vmm.name).layout if vmm is not None and vmm.name in NAMES else None


@rule("PVH321", WARNING, ERROR)
def command_line_cannot_be_read(case: Case) -> Iterator[Defect]:
    """cmdline_paddr is the address of an ASCII string that ends with a NUL. If there is no NUL, Linux uses 2047 bytes,
    whatever they contain. If there is no memory at the address, Linux uses whatever the bus returns.

    Put a string that ends with a NUL into RAM, and set cmdline_paddr to its address.

    Source: Xen start_info.h; Linux arch/x86/kernel/head64.c, copy_bootdata.
    """
    info, why = case.valid_start_info, case.capture.missing.get("cmdline")
    if info is None or not info.cmdline_paddr or why is None:
        return
    severity = None if case.capture.cmdline and case.capture.cmdline.raw else case.fatal_severity
    message = (
        f"cmdline_paddr is {info.cmdline_paddr:#x}, not a readable string ({why}): Linux uses the "
        f"{COMMAND_LINE_SIZE - 1} bytes there, whatever they contain. Make it point to a string that ends with a NUL."
    )
    yield Defect(case.path_of("cmdline_paddr"), message, case.address_of("cmdline_paddr"), severity)


@rule("PVH322", WARNING, ERROR, only_linux=True)
def command_line_is_too_long_for_linux(case: Case) -> Iterator[Defect]:
    """Linux copies COMMAND_LINE_SIZE (2048) bytes and sets the last byte to NUL. It silently drops the rest of the
    command line, which is often a console parameter at the end.

    Shorten the command line, or move the part that never changes to CONFIG_CMDLINE.

    Source: Linux arch/x86/include/asm/setup.h, COMMAND_LINE_SIZE.
    """
    cmdline = case.capture.cmdline
    lost = len(cmdline.raw) - (COMMAND_LINE_SIZE - 1) if cmdline else 0
    if cmdline and lost > 0:
        message = (
            f"cmdline has {len(cmdline.raw)} bytes, but Linux keeps only {COMMAND_LINE_SIZE - 1}: the end is lost. "
            f"Shorten it by at least {lost} bytes."
        )
        yield Defect("cmdline", message, cmdline.paddr, case.fatal_severity)


@rule("PVH323", INFO)
def command_line_is_not_ascii(case: Case) -> Iterator[Defect]:
    """The ABI requires ASCII. Linux accepts other bytes, and leaves their meaning to the code that parses the
    parameter.

    If these bytes are not intended, check where the command line comes from.

    Source: Xen start_info.h.
    """
    cmdline = case.capture.cmdline
    match = _NOT_ASCII.search(cmdline.raw) if cmdline else None
    if cmdline and match:
        message = f"cmdline byte {match[0][0]:#04x} at offset {match.start()} is not printable ASCII: Linux accepts it."
        yield Defect("cmdline", message, cmdline.paddr + match.start())


@rule("PVH324", INFO, WARNING, ERROR)
def command_line_differs_from_append(case: Case) -> Iterator[Defect]:
    """The command line in the guest does not begin with the text of -append. Firmware whose buffer is too small
    truncates it; a rewrite at the entry (`--set`) changes it on purpose. Additional text at the end is normal: for a
    microvm, QEMU appends the parameters of its virtio devices.

    If the command line is truncated, shorten it or use other firmware.

    Source: QEMU pc-bios/optionrom/pvh_main.c; hw/i386/microvm.c.
    """
    cmdline, append = case.capture.cmdline, case.append
    if not cmdline or not cmdline.raw or not append:
        return
    text = cmdline.raw.decode("utf-8", "surrogateescape")
    if text.startswith(append) or "\0" in append:
        return
    if append.startswith(text):
        message = f"cmdline has only the first {len(cmdline.raw)} bytes of -append: the rest is lost. Shorten it."
        yield Defect("cmdline", message, cmdline.paddr, case.fatal_severity)
    else:
        message = "cmdline does not begin with the text of -append: something changed it, perhaps `--set`."
        yield Defect("cmdline", message, cmdline.paddr)


@rule("PVH325", INFO)
def command_line_fills_its_room(case: Case) -> Iterator[Defect]:
    """The command line is as long as the VMM accepts. With one more character, the VMM does not start the VM: a script
    that appends a parameter then fails under this VMM only.

    Shorten the command line, or move the part that never changes to CONFIG_CMDLINE.

    Source: firecracker src/vmm/src/arch/x86_64/layout.rs; google/alioth alioth/src/arch/x86_64/layout.rs.
    """
    cmdline, layout = case.capture.cmdline, _layout(case)
    if cmdline and layout and len(cmdline.raw) + 1 == layout.cmdline_room:
        message = (
            f"cmdline has {len(cmdline.raw)} bytes, the most that this VMM accepts. Shorten it before you add more."
        )
        yield Defect("cmdline", message, cmdline.paddr)
