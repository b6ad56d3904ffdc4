"""The `pvhdbg` command, also as `python -m pvhdbg`."""

import os
import signal
import sys
from contextlib import suppress


def main() -> None:
    """Run a command and exit with its status. An interrupt while its modules are imported ends Python quietly."""
    _open_standard_streams()
    status = _run()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):  # closed, or no reader: the status says so
            stream.flush()
    os._exit(status)  # everything has ended; taking the interpreter down would cost a short command a tenth of its time


def _open_standard_streams() -> None:
    """Open /dev/null for each standard stream that is closed. Otherwise QEMU's sockets would get their descriptors."""
    descriptor = os.open(os.devnull, os.O_RDWR)
    while descriptor <= 2:  # the lowest free one
        descriptor = os.open(os.devnull, os.O_RDWR)
    os.close(descriptor)


def _run() -> int:
    is_caught = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # else the parent ignores it
    try:
        if is_caught:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
        from pvhdbg.cli import main as run

        if is_caught:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        return run()
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    finally:
        if is_caught:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # the command is done


if __name__ == "__main__":
    main()
