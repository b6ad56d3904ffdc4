"""How a guest ended without dying: it halted, panicked or left its code. Find what it printed last, and the reason."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING

from pvhdbg.boot.log.kernel_log import read_kernel_log
from pvhdbg.boot.log.problems import PANIC, problem
from pvhdbg.boot.record import document
from pvhdbg.boot.record.document import Outcome, Watched
from pvhdbg.boot.run.observed_calls import StackSearch
from pvhdbg.boot.stop.address import linear_address, paging_registers
from pvhdbg.errors import RegisterUnavailable, SymbolMissing, TargetError
from pvhdbg.lazy_pattern import pattern
from pvhdbg.target.stub import is_halted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pvhdbg.boot.run.journey import Journey

    NameOf = Callable[[int], str | None]
    Serial = Callable[[], bytes]

PANIC_FUNCTION = "panic"
"""The function of Linux that every panic calls."""
PANIC_CPU, NO_CPU = "panic_cpu", (0xFFFFFFFF).to_bytes(4, "little")
"""Linux's variable with the number of the CPU that called `panic`, and its value before. Source: Linux kernel/panic.c.
"""
PANIC_PRINTS_WITHIN, QUIET = 2.0, 0.1
"""Seconds for a panic to be printed, and seconds without new output after which it has been printed."""
MAX_LINES, MAX_LINE, MAX_OUTPUT = 20, 400, 1 << 16
"""How many last lines of a console or a log are kept, the characters of each, and the bytes that are searched."""

HLT, ZERO_BYTES = b"\xf4", 16
"""The instruction `hlt`, and how many zero bytes at RIP mean that there is no code."""

_STAMP = pattern(r"(?=\[ *\d+\.\d{6}\] )", re.ASCII)
"""Where a line of the log begins. On a console it may follow the text of early_printk, which has no newline."""
_OFFSET = pattern(r"\+0x([0-9a-f]{1,16})$")


def panic_cpu(journey: Journey) -> int | None:
    """Return the physical address of PANIC_CPU; None if the kernel has none, or has panicked already."""
    found = _panic_cpu_now(journey)
    return found[0] if found is not None and found[1] == NO_CPU else None


def _panic_cpu_now(journey: Journey) -> tuple[int, bytes] | None:
    """Return the physical address of PANIC_CPU, and its value; None if the kernel has none."""
    target, image = journey.target, journey.image
    with suppress(SymbolMissing, TargetError):
        paddr = image.to_paddr(target.symbol(PANIC_CPU)) if image else None
        return None if paddr is None else (paddr, target.read_phys(paddr, len(NO_CPU)))
    return None


def find_panic(journey: Journey) -> Outcome | None:
    """Return the end of a Linux that has panicked before pvhdbg attached, according to its own log; None otherwise.

    :raise NotConnected: if the machine is gone.
    """
    lines = log_lines(journey) or ()
    text = panic_text(lines)
    if text is None:
        return None
    return Outcome(journey.furthest, document.DONE, watched=Watched(document.PANICKED, 0, None, None, text, (), lines))


def early_end(journey: Journey, serial: Serial) -> str | None:
    """Return HALTED, PANICKED or RUNAWAY if the stopped guest will not reach another stage; None if it may."""
    if is_halted(journey.target):
        return document.HALTED
    if has_panicked(journey, serial):
        return document.PANICKED
    return document.RUNAWAY if is_runaway(journey) else None


def early_end_message(journey: Journey, serial: Serial, printed: int) -> tuple[str, int]:
    """Return a description of how the stopped guest has ended, and the size of its output.

    The description is empty if the guest may continue. `printed` is the size of the output at the previous call: while
    it grows, the kernel is still printing its panic.
    """
    ended, size = early_end(journey, serial), len(serial())
    is_printing = ended == document.PANICKED and size != printed
    return "" if ended is None or is_printing else document.WATCH_ENDS[ended], size


def has_panicked(journey: Journey, serial: Serial) -> bool:
    """Return whether Linux has panicked, according to the console or, if it has none yet, to its variables."""
    if panic_text(output_lines(serial())) is not None:
        return True
    cpu = _panic_cpu_now(journey)
    return cpu is not None and cpu[1] != NO_CPU and panic_text(log_lines(journey) or ()) is not None


def is_runaway(journey: Journey) -> bool:
    """Return whether the CPU executes zero bytes; False if they cannot be read."""
    target = journey.target
    with suppress(TargetError):
        registers = paging_registers(target)
        with suppress(RegisterUnavailable):
            registers["cs.base"] = target.register("cs.base")
        paddr = journey.addresses().physical(linear_address(target.register("rip"), registers))
        return paddr > 0 and is_no_code(target.read_phys(paddr - 1, 1 + ZERO_BYTES))
    return False


def is_no_code(data: bytes) -> bool:
    """Return whether these bytes, from one byte before RIP on, are not code. A CPU may wait at zeros after `hlt`."""
    return len(data) == 1 + ZERO_BYTES and data[:1] != HLT and not any(data[1:])


def early_outcome(journey: Journey, outcome: Outcome, name_of: NameOf, serial: Serial) -> Outcome:
    """Return the outcome of a run that did not reach its stage, with how the guest ended if that is known.

    With `panic=-1`, Linux resets the machine after its panic. QEMU reports this like a triple fault.
    """
    if outcome.died is None:
        ended = early_end(journey, serial)
    else:
        ended = document.PANICKED if outcome.died.is_triple_fault and has_panicked(journey, serial) else None
    if ended is None:
        return outcome
    watched = _with_details(Watched(ended, 0, outcome.rip, outcome.symbol), journey, name_of, serial)
    died = outcome.died and outcome.died._replace(message=_reset_after(watched.message))
    return outcome._replace(watched=watched, died=died)


def _reset_after(panic: str) -> str:
    return f"{document.RESET_AFTER_PANIC}: {panic}" if panic else document.RESET_AFTER_PANIC


def end_outcome(journey: Journey, ended: str, seconds: float, name_of: NameOf, serial: Serial) -> Outcome:
    """Return the outcome of a guest that pvhdbg stopped after `seconds`, because it had `ended`."""
    rip = journey.target.register("rip")
    watched = Watched(ended, round(seconds * 1000), rip, name_of(rip))
    return Outcome(journey.reached, document.DONE, watched=_with_details(watched, journey, name_of, serial))


def _with_details(watched: Watched, journey: Journey, name_of: NameOf, serial: Serial) -> Watched:
    if watched.ended == document.PANICKED:
        watched = with_panic(watched, journey, name_of, serial, _caller(journey, name_of))
    return with_last_lines(watched, journey, serial)


def with_panic(
    watched: Watched, journey: Journey, name_of: NameOf, serial: Serial, caller: int | None, text: str = ""
) -> Watched:
    """Add where and why Linux panicked: `caller` is where `panic` returns to. `text` is the reason if none was printed.

    The reason is on the console or, if there is no console yet, in the kernel's log.
    """
    printed = panic_text(output_lines(serial())) or panic_text(log_lines(journey) or ())
    return watched._replace(rip=caller, symbol=_name_of_caller(caller, name_of), message=printed or text)


def with_last_lines(watched: Watched, journey: Journey, serial: Serial) -> Watched:
    """Add the last lines of the console and of the kernel's log."""
    return watched._replace(serial=last_lines(output_lines(serial())), log=log_lines(journey))


def log_lines(journey: Journey) -> tuple[str, ...] | None:
    """Return the last lines of the kernel's own log, and its problems; None if it cannot be read."""
    log = read_kernel_log(journey.target, paging_registers(journey.target), journey.image)
    return None if log.missing else tuple(line.stamped[:MAX_LINE] for line in log.excerpt(MAX_LINES))


def output_lines(output: bytes) -> list[str]:
    """Return the last lines of the guest's output, in latin-1."""
    return output[-MAX_OUTPUT:].decode("latin-1").replace("\r", "").split("\n")


def panic_text(lines: Sequence[str]) -> str | None:
    """Return the text of the first panic in a log."""
    found = (problem(part) for line in lines for part in _STAMP.split(line))
    return next((it.text[:MAX_LINE] for it in found if it is not None and it.kind == PANIC), None)


def last_lines(lines: Sequence[str]) -> tuple[str, ...]:
    """Return the last lines that are not empty, each cut at MAX_LINE characters."""
    return tuple([line[:MAX_LINE] for line in lines if line.strip()][-MAX_LINES:])


def _caller(journey: Journey, name_of: NameOf) -> int | None:
    """Return where `panic`, which does not return, would return to; None if the stack does not show it."""
    target, image = journey.target, journey.image
    with suppress(SymbolMissing, TargetError):
        function = target.symbol(PANIC_FUNCTION)
        if image is not None:
            search = StackSearch(target, image, journey.addresses(), name_of)
            call = search.calls({PANIC_FUNCTION: image.aliases(function)}).get(PANIC_FUNCTION)
            return call and call.return_vaddr
    return None


def _name_of_caller(address: int | None, name_of: NameOf) -> str | None:
    """Return a return address as symbol+offset. The call of `panic` may be the last code of a function."""
    name = None if address is None else name_of(address - 1)
    if name is None:
        return None
    match = _OFFSET.search(name)
    return f"{name}+0x1" if match is None else f"{name[: match.start()]}+{int(match[1], 16) + 1:#x}"
