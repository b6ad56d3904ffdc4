"""gdb's convenience functions: `$pvh_start_info()`, `$pvh_phys(x)`, `$pvh_e820(i)`.

A structure needs the kernel's debug information; without it they give its address.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import gdb

from pvhdbg.boot.session.resolve import physical_of, start_info_at
from pvhdbg.errors import UserError
from pvhdbg.in_gdb.here import address_of, told
from pvhdbg.views.rows import text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pvhdbg.abi.layout import Struct
    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.in_gdb.here import Sessions

MOST_BYTES = 1 << 20
_INTEGERS = {1: "unsigned char", 2: "unsigned short", 4: "unsigned int", 8: "unsigned long long"}


def register(sessions: Sessions) -> None:
    for each in (_StartInfo, _Phys, _E820):
        each(sessions)


def _check(args: Sequence[gdb.Value], counts: range) -> None:
    """:raise UserError: for another number of arguments than one of these."""
    if len(args) not in counts:
        raise UserError(f"{text.counted(len(args), 'argument')}: too {'few' if len(args) < counts.start else 'many'}")


class _StartInfo(gdb.Function):
    """The struct hvm_start_info that was handed over, or the one at a physical address.

    Usage: $pvh_start_info ([PADDR])
    """

    def __init__(self, sessions: Sessions) -> None:
        super().__init__("pvh_start_info")
        self._sessions = sessions

    def invoke(self, *args: gdb.Value) -> gdb.Value | int:
        with told():
            _check(args, range(2))
            here = self._sessions.here
            now = here.current()
            if args:
                now = start_info_at(here.target, here.image, physical_of(here, now, address_of(args[0])))
            found = now.effective_start_info
            if found is None:
                raise UserError(f"no start_info: {now.missing.get('start_info', 'not there')}")
            return _value(found)


class _Phys(gdb.Function):
    """What lies at a physical address: an unsigned integer of 1, 2, 4 or 8 (the default) bytes, or so many bytes.

    Usage: $pvh_phys (PADDR[, SIZE])
    """

    def __init__(self, sessions: Sessions) -> None:
        super().__init__("pvh_phys")
        self._sessions = sessions

    def invoke(self, *args: gdb.Value) -> gdb.Value | int:
        with told():
            _check(args, range(1, 3))
            count = int(args[1]) if len(args) > 1 else 8
            if not 0 < count <= _most_bytes():
                raise UserError(f"{count} bytes can't be read: 1 to {_most_bytes()}")
            here = self._sessions.here
            data = here.target.read_phys(physical_of(here, here.current(), address_of(args[0])), count)
            byte = gdb.lookup_type(_INTEGERS[1])
            return gdb.Value(data, gdb.lookup_type(_INTEGERS[count]) if count in _INTEGERS else byte.array(count - 1))


def _most_bytes() -> int:
    """The user's own limit, which gdb 13 crashes on when a value made of bytes exceeds it."""
    limit = gdb.parameter("max-value-size")
    return min(limit, MOST_BYTES) if isinstance(limit, int) and limit >= 0 else MOST_BYTES


class _E820(gdb.Function):
    """The struct boot_e820_entry of that number in the kernel's e820 table; before there is one, in boot_params'.

    Usage: $pvh_e820 (INDEX)
    """

    def __init__(self, sessions: Sessions) -> None:
        super().__init__("pvh_e820")
        self._sessions = sessions

    def invoke(self, *args: gdb.Value) -> gdb.Value | int:
        with told():
            _check(args, range(1, 2))
            entries = _entries(self._sessions.here.current())
            number = int(args[0])
            if not 0 <= number < len(entries):
                raise UserError(f"there is no entry {number}: the table has {len(entries)}")
            return _value(entries[number])


def _entries(seen: Capture) -> Sequence[Struct]:
    if seen.e820_table is not None:
        return seen.e820_table.entries
    params = seen.kernel_boot_params or seen.boot_params
    if params is None:
        raise UserError(f"no e820 table: {seen.missing.get('boot_params', 'not there')}")
    return params.e820_table[: params.e820_entries]


def _value(record: Struct) -> gdb.Value | int:
    try:
        ctype = gdb.lookup_type(f"struct {record.C_NAME}")
    except gdb.error:
        return record.at or 0
    if ctype.sizeof > _most_bytes():
        raise UserError(f"max-value-size is less than a struct {record.C_NAME} has")
    return gdb.Value(record.raw.ljust(ctype.sizeof, b"\0"), ctype)
