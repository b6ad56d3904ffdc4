"""PVH320 to PVH324: the command line, from -append to what Linux keeps of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pvhdbg.abi.boot_params import COMMAND_LINE_SIZE
from pvhdbg.abi.start_info import MAGIC
from pvhdbg.checks.finding import ERROR, INFO, WARNING
from pvhdbg.checks.rules import Found, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pvhdbg.checks.case import Case

_NO_TEXT = re.compile(rb"[^\t\x20-\x7e]")


@rule("PVH320", ERROR)
def the_command_line_was_not_handed_over(case: Case) -> Iterator[Found]:
    """The machine was given a command line and the guest has none: it boots with its defaults, and without a console.

    Source: Xen start_info.h: 0 in cmdline_paddr means that there is none.
    """
    info, found = case.info, case.seen.cmdline
    if info is None or info.magic != MAGIC or not case.append or case.append.isspace():
        return
    if info.cmdline_paddr == 0 or (found is not None and not found.raw):
        how = "cmdline_paddr is 0" if info.cmdline_paddr == 0 else f"cmdline at {info.cmdline_paddr:#x} is empty"
        message = f"{how}, but the machine was given a command line"
        yield Found(case.path("cmdline_paddr"), message, case.place("cmdline_paddr"))


@rule("PVH321", WARNING, ERROR)
def the_command_line_cannot_be_read(case: Case) -> Iterator[Found]:
    """cmdline_paddr leads to ASCII that ends in a NUL. Without a NUL Linux takes 2047 bytes, whatever they are; where
    no memory is, it takes what the bus answers.

    Source: Xen start_info.h; Linux arch/x86/kernel/head64.c, copy_bootdata.
    """
    info, why = case.info, case.seen.missing.get("cmdline")
    if info is None or info.magic != MAGIC or not info.cmdline_paddr or why is None:
        return
    severity = None if case.seen.cmdline and case.seen.cmdline.raw else case.fatal
    message = f"cmdline at {info.cmdline_paddr:#x}: {why}"
    yield Found(case.path("cmdline_paddr"), message, case.place("cmdline_paddr"), severity)


@rule("PVH322", WARNING, ERROR)
def the_command_line_is_longer_than_linux_keeps(case: Case) -> Iterator[Found]:
    """Linux copies COMMAND_LINE_SIZE bytes, 2048, and puts a NUL into the last. What comes later on the line is lost
    without a word, often the console that was appended last.

    Shorten it, or build the kernel with the fixed part in CONFIG_CMDLINE.

    Source: Linux arch/x86/include/asm/setup.h, COMMAND_LINE_SIZE.
    """
    found = case.seen.cmdline
    lost = len(found.raw) - (COMMAND_LINE_SIZE - 1) if found else 0
    if found and lost > 0:
        message = f"cmdline has {len(found.raw)} bytes, Linux keeps {COMMAND_LINE_SIZE - 1}: the last {lost} are lost"
        yield Found("cmdline", message, found.paddr, case.fatal)


@rule("PVH323", INFO)
def the_command_line_is_not_ascii(case: Case) -> Iterator[Found]:
    """The ABI has ASCII. Linux does not mind other bytes; what they mean is between the user and whoever parses them.

    Source: Xen start_info.h.
    """
    found = case.seen.cmdline
    odd = _NO_TEXT.search(found.raw) if found else None
    if found and odd:
        message = f"cmdline has the byte {odd[0][0]:#04x} at offset {odd.start()}, which is no printable ASCII"
        yield Found("cmdline", message, found.paddr + odd.start())


@rule("PVH324", INFO, WARNING, ERROR)
def the_command_line_is_not_what_was_given(case: Case) -> Iterator[Found]:
    """What reached the guest does not begin with what -append said. Firmware with a buffer too small cuts it; a rewrite
    at the entry changes it on purpose. What is behind it is no finding: QEMU's microvm adds its virtio devices there.

    Source: QEMU pc-bios/optionrom/pvh_main.c; hw/i386/microvm.c.
    """
    found, append = case.seen.cmdline, case.append
    if not found or not found.raw or not append:
        return
    text = found.raw.decode("utf-8", "surrogateescape")
    if text.startswith(append) or "\0" in append:
        return
    is_cut = append.startswith(text)
    how = f"ends after {len(found.raw)} bytes of it" if is_cut else "is another"
    yield Found("cmdline", f"cmdline {how}, compared with -append", found.paddr, case.fatal if is_cut else None)
