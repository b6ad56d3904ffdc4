"""The `pvhdbg` command, also as `python -m pvhdbg`."""

import signal
import sys


def main() -> int:
    """Run a command and return its exit status. An interrupt while its modules are imported ends Python quietly."""
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
    sys.exit(main())
