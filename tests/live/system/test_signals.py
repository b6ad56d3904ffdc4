import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from pvhdbg.live.system.signals import exit_on_signals


def exit_status(number: signal.Signals) -> object:
    try:
        with exit_on_signals():
            os.kill(os.getpid(), number)
    except SystemExit as error:
        return error.code
    return None


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
