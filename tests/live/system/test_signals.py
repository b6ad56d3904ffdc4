import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from pvhdbg.live.system.signals import exit_on_signals


def status_of(act: Callable[[], object]) -> object:
    """Return the exit status with which a block of these acts ends; None if it goes on."""
    try:
        with exit_on_signals():
            act()
    except SystemExit as error:
        return error.code
    return None


def kill(number: signal.Signals) -> None:
    os.kill(os.getpid(), number)


def exit_status(number: signal.Signals) -> object:
    return status_of(lambda: kill(number))


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_becomes_an_exit_with_status_128_plus_its_number(number: signal.Signals, status: int) -> None:
    assert status == exit_status(number)


def test_the_previous_signal_handlers_are_restored() -> None:
    before = signal.getsignal(signal.SIGTERM)
    exit_status(signal.SIGTERM)

    assert before == signal.getsignal(signal.SIGTERM)


def test_an_ignored_sighup_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert exit_status(signal.SIGHUP) is None
    finally:
        signal.signal(signal.SIGHUP, before)


def test_outside_the_main_thread_no_handler_is_installed() -> None:
    def handler_in_thread() -> tuple[object, bool]:
        with exit_on_signals():
            return signal.getsignal(signal.SIGTERM), threading.current_thread() is threading.main_thread()

    with ThreadPoolExecutor(1) as pool:
        assert (signal.getsignal(signal.SIGTERM), False) == pool.submit(handler_in_thread).result()


def test_a_signal_that_is_repeated_at_once_does_not_interrupt_the_cleanup() -> None:
    done = []

    def act() -> None:
        try:
            kill(signal.SIGHUP)
        finally:
            kill(signal.SIGHUP)
            kill(signal.SIGTERM)
            done.append("cleanup")

    assert (129, ["cleanup"]) == (status_of(act), done)


def test_an_exit_that_was_lost_in_the_block_comes_at_its_end() -> None:
    def act() -> None:
        with suppress(BaseException):  # as Python does in a destructor
            kill(signal.SIGTERM)

    assert 143 == status_of(act)
