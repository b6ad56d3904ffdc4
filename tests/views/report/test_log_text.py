"""The kernel's log as text."""

from __future__ import annotations

from pvhdbg.boot.log.kernel_log import KernelLog, stored_log
from pvhdbg.boot.stop.capture import LogLine
from pvhdbg.views.report import log_text


def test_lines_have_a_time_stamp_and_no_byte_that_controls_a_terminal() -> None:
    log = KernelLog((LogLine(61_002_003_999, 6, "a\tb\\"), LogLine(0, 0, "\x1b[2J\xff")))

    assert ["[   61.002003] a        b\\\\", "[    0.000000] \\x1b[2J\\xff"] == log_text.answer(log)


def test_omitted_lines_and_the_reason_for_a_missing_log_are_reported() -> None:
    line = LogLine(0, 6, "a")

    assert ["(1 earlier message not shown)", line.stamped] == log_text.answer(KernelLog((line,), 1))
    assert ["the kernel has printed nothing yet"] == log_text.answer(KernelLog())
    assert ["log: \\x1bunknown"] == log_text.answer(KernelLog(missing="\x1bunknown"))
    assert "when pvhdbg stopped watching" in log_text.answer(stored_log([line.stamped]))[0]
