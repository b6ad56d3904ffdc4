"""Run the `pvhdbg` command: `python -m pvhdbg`."""

import sys

from pvhdbg.cli import main

if __name__ == "__main__":
    sys.exit(main())
