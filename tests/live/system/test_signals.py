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
def test_a_signal_is_an_exit_with_its_status(number: signal.Signals, status: int) -> None:
    assert status == exit_status(number)


def test_afterwards_everything_is_as_it_was() -> None:
    before = signal.getsignal(signal.SIGTERM)
    exit_status(signal.SIGTERM)

    assert before == signal.getsignal(signal.SIGTERM)


def test_a_hangup_that_nohup_ignores_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert exit_status(signal.SIGHUP) is None
    finally:
        signal.signal(signal.SIGHUP, before)


def test_another_thread_leaves_the_signals_alone() -> None:
    def inside() -> tuple[object, bool]:
        with exit_on_signals():
            return signal.getsignal(signal.SIGTERM), threading.current_thread() is threading.main_thread()

    with ThreadPoolExecutor(1) as pool:
        assert (signal.getsignal(signal.SIGTERM), False) == pool.submit(inside).result()
