"""gdb's convenience functions: `$pvh_start_info()`, `$pvh_phys(x)`, `$pvh_e820(i)`.

A function can return a structure only if gdb has the kernel's debug information; otherwise it returns the address.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import gdb

from pvhdbg.boot.session.resolve import physical_of, start_info_at
from pvhdbg.boot.stop import stages
from pvhdbg.errors import UserError
from pvhdbg.in_gdb.session import address_of, as_gdb_errors
from pvhdbg.views.rows import text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pvhdbg.abi.layout import Struct
    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.in_gdb.session import CurrentSession, GdbSession

MOST_BYTES = 1 << 20
_INTEGERS = {1: "unsigned char", 2: "unsigned short", 4: "unsigned int", 8: "unsigned long long"}


def register(current: CurrentSession) -> None:
    for function in (_StartInfo, _Phys, _E820):
        function(current)


def _check_count(args: Sequence[gdb.Value], counts: range) -> None:
    """Check the number of arguments.

    :raise UserError: if it is not in `counts`.
    """
    if len(args) not in counts:
        raise UserError(f"{text.counted(len(args), 'argument')}: too {'few' if len(args) < counts.start else 'many'}")


class _StartInfo(gdb.Function):
    """Return the struct hvm_start_info that the VMM passed, or the struct at the physical address PADDR.

    Usage: $pvh_start_info ([PADDR])
    """

    def __init__(self, current: CurrentSession) -> None:
        super().__init__("pvh_start_info")
        self._current = current

    def invoke(self, *args: gdb.Value) -> gdb.Value | int:
        with as_gdb_errors():
            _check_count(args, range(2))
            session = self._current.session
            capture = _latest(session, "start_info", "pvh_start_info")
            if args:
                paddr = physical_of(session, capture, address_of(args[0]))
                capture = start_info_at(session.target, session.image, paddr)
            start_info = capture.effective_start_info
            if start_info is None:
                raise UserError(f"no start_info: {capture.missing.get('start_info', 'not found')}")
            return _value(start_info)


class _Phys(gdb.Function):
    """Return SIZE bytes of physical memory (default: 8): an unsigned integer for 1, 2, 4 or 8, otherwise an array.

    Usage: $pvh_phys (PADDR[, SIZE])
    """

    def __init__(self, current: CurrentSession) -> None:
        super().__init__("pvh_phys")
        self._current = current

    def invoke(self, *args: gdb.Value) -> gdb.Value | int:
        with as_gdb_errors():
            _check_count(args, range(1, 3))
            size = int(args[1]) if len(args) > 1 else 8
            if not 0 < size <= _most_bytes():
                raise UserError(f"size {size}: out of range", f"use a size from 1 to {_most_bytes()}")
            session = self._current.session
            data = session.target.read_phys(physical_of(session, session.current(), address_of(args[0])), size)
            byte = gdb.lookup_type(_INTEGERS[1])
            return gdb.Value(data, gdb.lookup_type(_INTEGERS[size]) if size in _INTEGERS else byte.array(size - 1))


def _most_bytes() -> int:
    """Return the largest size of a value. gdb 13 crashes if a value made of bytes is larger than max-value-size."""
    limit = gdb.parameter("max-value-size")
    return min(limit, MOST_BYTES) if isinstance(limit, int) and limit >= 0 else MOST_BYTES


class _E820(gdb.Function):
    """Return entry INDEX of the kernel's e820 table or, before the kernel has built it, of boot_params.e820_table.

    Usage: $pvh_e820 (INDEX)
    """

    def __init__(self, current: CurrentSession) -> None:
        super().__init__("pvh_e820")
        self._current = current

    def invoke(self, *args: gdb.Value) -> gdb.Value | int:
        with as_gdb_errors():
            _check_count(args, range(1, 2))
            entries = _entries(_latest(self._current.session, "e820_table", "kernel_boot_params", "boot_params"))
            index = int(args[0])
            if not 0 <= index < len(entries):
                raise UserError(f"index {index} is out of range: the table has {text.counted(len(entries), 'entry')}")
            return _value(entries[index])


def _latest(session: GdbSession, *keys: str) -> Capture:
    """Return the current capture or, if the guest is dead, the latest one that has any of `keys`."""
    current = session.current()
    captures = reversed(session.history) if current.stage == stages.DIED else ()
    return next((capture for capture in captures if any(getattr(capture, key) is not None for key in keys)), current)


def _entries(capture: Capture) -> Sequence[Struct]:
    if capture.e820_table is not None:
        return capture.e820_table.entries
    params = capture.kernel_boot_params or capture.boot_params
    if params is None:
        raise UserError(f"no e820 table: {capture.missing.get('boot_params', 'not found')}")
    return params.e820_table[: params.e820_entries]


def _value(record: Struct) -> gdb.Value | int:
    try:
        ctype = gdb.lookup_type(f"struct {record.C_NAME}")
    except gdb.error:
        return record.at or 0
    if ctype.sizeof > _most_bytes():
        raise UserError(f"struct {record.C_NAME} is larger than max-value-size", "raise gdb's max-value-size")
    return gdb.Value(record.raw.ljust(ctype.sizeof, b"\0"), ctype)
