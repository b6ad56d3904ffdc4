"""Add to a capture what only the machine knows at that moment: the code at RIP, the serial output, the kernel's log."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from pvhdbg.boot.stop import stages
from pvhdbg.boot.stop.address import Addresses, linear_address
from pvhdbg.boot.stop.capture import MAX_LOG, MAX_SERIAL, CodeRow
from pvhdbg.errors import TargetError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.image.facts import ImageFacts
    from pvhdbg.target.base import Target

BEFORE, AFTER = 64, 192
"""How many bytes of code are recorded before RIP and from it on."""
NO_SERIAL = "pvhdbg does not read the serial console of this machine"
NO_LOG_YET = "not read: the kernel prints nothing before stage kernel"
NOT_RECORDED = "not read: this run is not recorded"
_PAGE = 0x1000
_WITHOUT_LOG = (stages.RESET, *stages.NAMES[: stages.NAMES.index("kernel")])


class StopRecorder:
    """Completes captures.

    `serial` returns what the guest has written to its serial console; None if pvhdbg does not read it.
    With `reads_log`, a capture also gets the kernel's log, which takes long to find. `on_stop` is called with the
    name of each stage.
    """

    def __init__(self, serial: Callable[[], bytes] | None) -> None:
        self.reads_log = True
        self.on_stop: Callable[[str], None] = lambda _: None
        self._serial = serial

    def complete(self, capture: Capture, target: Target, image: ImageFacts | None) -> Capture:
        """Return the capture with the code at RIP, the serial output and the log of the machine as it is now."""
        self.on_stop(capture.stage)
        code = _code(capture, target, image)
        return self._with_log(self._with_serial(capture._replace(code=code)), target, image)

    def _with_serial(self, capture: Capture) -> Capture:
        if self._serial is None:
            return _without(capture, "serial", NO_SERIAL)
        output = self._serial()
        if len(output) > MAX_SERIAL:
            capture = _without(capture, "serial", f"truncated: only the last {MAX_SERIAL} bytes of {len(output)}")
        return capture._replace(serial=output[-MAX_SERIAL:])

    def _with_log(self, capture: Capture, target: Target, image: ImageFacts | None) -> Capture:
        if capture.stage in _WITHOUT_LOG:
            return _without(capture, "log", NO_LOG_YET)
        if not self.reads_log:
            return _without(capture, "log", NOT_RECORDED)
        from pvhdbg.boot.log.kernel_log import read_kernel_log

        try:
            log = read_kernel_log(target, capture.registers, image)
        except TargetError as error:
            return _without(capture, "log", str(error))
        if log.missing is not None:
            return _without(capture, "log", log.missing)
        left_out = log.dropped + max(len(log.lines) - MAX_LOG, 0)
        if left_out:
            capture = _without(capture, "log", f"truncated: {left_out} earlier lines are not here")
        return capture._replace(log=log.lines[-MAX_LOG:])


def _without(capture: Capture, path: str, reason: str) -> Capture:
    return capture._replace(missing={**capture.missing, path: reason})


def _code(capture: Capture, target: Target, image: ImageFacts | None) -> tuple[CodeRow, ...]:
    """Return the bytes before RIP, if they can be read, and those from RIP on."""
    if capture.rip is None:
        return ()
    rip = linear_address(capture.rip, capture.registers)
    addresses = Addresses(target, capture.registers, image)
    starts = max(rip - BEFORE, 0), rip
    parts = (
        (start, _read(target, addresses, start, end)) for start, end in zip(starts, (rip, rip + AFTER), strict=True)
    )
    rows = [CodeRow(start, data) for start, data in parts if data]
    return tuple(row for row in rows if row.address == rip or row.address + len(row.raw) == rip)


def _read(target: Target, addresses: Addresses, start: int, end: int) -> bytes:
    """Read memory at linear addresses, as far as it is mapped."""
    data = b""
    with suppress(TargetError):
        while start < end:
            part = min(end - start, _PAGE - start % _PAGE)
            data += target.read_phys(addresses.physical(start), part)
            start += part
    return data
