"""Read what memory still holds of the boot data of a guest that passed its stages without a capture.

Linux frees its init data, and the memory of the VMM's boot data is ordinary RAM for it. Data that the guest may have
overwritten is only shown if it has the values that the kernel copied from it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import suppress
from functools import partial
from typing import TypeVar

from pvhdbg.abi.boot_params import BootParams
from pvhdbg.abi.e820 import ZERO_PAGE_ENTRIES
from pvhdbg.abi.setup_header import HDRS
from pvhdbg.abi.start_info import MAGIC, StartInfo
from pvhdbg.boot.stop import stages
from pvhdbg.boot.stop.capture import E820, Capture, MemoryMap, Module, Text
from pvhdbg.boot.stop.kernel_probe import probe
from pvhdbg.boot.stop.map_entries import decode_entries
from pvhdbg.boot.stop.protocols import NO_MAP
from pvhdbg.boot.stop.read import Reading
from pvhdbg.errors import TargetError
from pvhdbg.image.facts import ImageFacts
from pvhdbg.target.base import Target

T = TypeVar("T")

_KERNEL_RUNS = stages.NAMES.index("kernel") + 1
"""The number of stages after which the kernel may free its init data and overwrite the VMM's boot data."""
_LATEST_VERSION = 1
_PROTOCOL_2, _PROTOCOL_3 = 0x200, 0x300
_NOT_PVH = "the kernel was not booted via PVH: boot_params has a setup header of the Linux boot protocol"
_SHORT_COMMAND_LINE = 255
"""The shortest limit of Linux for a command line: it cuts a longer one when it copies it."""


def read_late(target: Target, stage: str, image: ImageFacts | None, passed: int | None) -> Capture:
    """Capture a machine of which no stage was captured. `stage` is UNSEEN or DIED.

    `passed` is the number of stages that the guest has passed; None if it is not known.
    """
    keys = stages.readable_late(len(stages.NAMES) if passed is None else passed)
    may_be_stale = passed is None or passed >= _KERNEL_RUNS
    return _LateReading(target, stage, image, keys, may_be_stale=may_be_stale).capture()


def read_held(target: Target, stage: str, image: ImageFacts | None, keys: Collection[str]) -> Capture:
    """Read from a recording what `read_late` captured: only these keys, which were compared then."""
    return _LateReading(target, stage, image, keys, may_be_stale=False).capture()


class _LateReading(Reading):
    """A stop whose data is compared with what the kernel copied from it, if the kernel may have overwritten it."""

    def __init__(
        self, target: Target, stage: str, image: ImageFacts | None, keys: Collection[str], *, may_be_stale: bool
    ) -> None:
        super().__init__(target, stages.stage(stage)._replace(valid=tuple(keys)), image, None)
        self._may_be_stale = may_be_stale
        if stages.START_INFO in keys:
            self.start_info_paddr = (self.registers.get("rbx") or 0) & 0xFFFFFFFF

    def valid(self, key: str, read: Callable[[], T]) -> T | None:
        if key not in self.stage.valid:
            self.missing[key] = self._why_not(key)
            return None
        value = self.attempt(key, read)
        if value is None or not (self._may_be_stale or key == stages.START_INFO):
            return value
        why_not = self.attempt(key, self._why_stale, value)
        if why_not is None and key not in self.missing:
            return value
        self.missing[key] = why_not or self.missing[key]
        return None

    def _why_not(self, key: str) -> str:
        is_later = stages.PVH_START_INFO in self.stage.valid or key not in (stages.START_INFO, *stages.BOOT_DATA)
        if is_later and key != stages.START_INFO:
            return self.not_valid_before(key)
        return "EBX at the entry was not captured"

    def required_start_info(self) -> StartInfo:
        if self.effective_start_info is None:
            raise TargetError("its address is in the kernel's copy of start_info, which is missing")
        return self.effective_start_info

    def cmdline(self) -> Text:
        if self.effective_start_info is None:
            return self.string("cmdline", self._kernel_copy().hdr.cmd_line_ptr, "hdr.cmd_line_ptr")
        return super().cmdline()

    def read_for_checks(self) -> None:
        super().read_for_checks()
        if stages.PVH_START_INFO in self.stage.valid:
            probe(self.target, self.image)

    def _kernel_copy(self) -> BootParams:
        """Return the struct boot_params that the kernel filled in: pvh_bootparams is never freed.

        :raise TargetError: if there is none.
        """
        for symbol in ("pvh_bootparams", "boot_params"):
            params = self._quietly(partial(self.at_symbol, BootParams, symbol))
            if params is not None and not _why_stale_boot_params(params):
                return params
        raise TargetError("not verified: the kernel's boot_params, to compare it with, were not found")

    def _has_setup_header(self) -> bool:
        """Return whether the kernel's boot_params have a setup header, which xen_prepare_pvh never copies."""
        params = self._quietly(partial(self.at_symbol, BootParams, "boot_params"))
        return params is not None and params.hdr.header == HDRS

    def _quietly(self, read: Callable[[], T]) -> T | None:
        """Return what `read` returns; None, without a reason in `missing`, if it cannot be read."""
        before = dict(self.missing)
        with suppress(TargetError):
            return read()
        self.missing = before
        return None

    def _why_stale(self, value: object) -> str | None:
        """Return why a value that was read is not shown; None if it is what the kernel had."""
        if isinstance(value, StartInfo):
            why_not = _why_stale_start_info(value)
            return _NOT_PVH if why_not and self._has_setup_header() else why_not
        if isinstance(value, BootParams):
            return _why_stale_boot_params(value)
        if isinstance(value, E820):
            return _why_stale_e820_table(value)
        if isinstance(value, Text):
            return self._why_stale_cmdline(value)
        if isinstance(value, MemoryMap):
            return self._why_stale_memory_map(value)
        return self._why_stale_modules(value) if isinstance(value, tuple) else None

    def _why_stale_cmdline(self, text: Text) -> str | None:
        raw = text.raw
        if text.paddr != self._kernel_copy().hdr.cmd_line_ptr:
            return f"cmdline_paddr is {text.paddr:#x}, but the kernel's hdr.cmd_line_ptr is another address"
        saved = self._quietly(self._saved_command_line)
        same = raw.isascii() and raw.decode().isprintable() if saved is None else _as_kernel_copies(raw) in saved
        return None if same else f"the memory at {text.paddr:#x} no longer holds the command line"

    def _saved_command_line(self) -> bytes:
        """Return the kernel's own copy of its command line, which it keeps for /proc/cmdline."""
        return self.string("saved_command_line", self.addresses.pointer("saved_command_line"), "saved_command_line").raw

    def _why_stale_memory_map(self, memory_map: MemoryMap) -> str | None:
        copy = decode_entries(self._kernel_copy().e820_table[:ZERO_PAGE_ENTRIES])
        copied = zip(decode_entries(memory_map.entries), copy, strict=False)
        if memory_map.protocol == NO_MAP:
            return None
        if not memory_map.entries or any(entry[:3] != other[:3] for entry, other in copied):
            return "the memory at its address no longer holds the entries that the kernel copied"
        return None

    def _why_stale_modules(self, modules: tuple[Module, ...]) -> str | None:
        header = self._kernel_copy().hdr
        first = (modules[0].entry.paddr, modules[0].entry.size) if modules else (0, 0)
        if first != (header.ramdisk_image, header.ramdisk_size):
            return "the memory at its address no longer holds the ramdisk's address and size that the kernel copied"
        return None


def _as_kernel_copies(raw: bytes) -> bytes:
    return raw[:_SHORT_COMMAND_LINE].strip()


def _why_stale_start_info(info: StartInfo) -> str | None:
    if info.magic != MAGIC or info.version > _LATEST_VERSION:
        return f"its magic is {info.magic:#x}: the kernel never filled it in, or has freed its init memory"
    return None


def _why_stale_boot_params(params: BootParams) -> str | None:
    if not params.hdr.type_of_loader:
        return "its type_of_loader is 0: the kernel has not filled it in"
    if not _PROTOCOL_2 <= params.hdr.version < _PROTOCOL_3 or not 0 < params.e820_entries <= ZERO_PAGE_ENTRIES:
        return "the memory at its address holds no boot_params: the kernel has freed its init memory"
    return None


def _why_stale_e820_table(table: E820) -> str | None:
    entries, end = table.entries, 0
    if not entries or len(entries) != table.nr_entries:
        return "the memory at its address is not a table of e820 entries"
    for entry in entries:
        if entry.addr < end or not entry.size:
            return "the memory at its address is not a sorted table of e820 entries"
        end = entry.addr + entry.size
    return None
