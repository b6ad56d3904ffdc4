"""QMP, QEMU's machine protocol: one connection per command.

This module is imported late, because a boot without problems never needs it.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from qemu.qmp import QMPClient, QMPError

if TYPE_CHECKING:
    from pathlib import Path

# qemu.qmp logs every error that it raises. Without a handler, the log would go to the terminal.
logging.getLogger("qemu.qmp").addHandler(logging.NullHandler())


async def _ask(path: Path, command: str) -> Any:  # noqa: ANN401 - JSON
    client = QMPClient("pvhdbg")
    await client.connect(str(path))
    try:
        return await client.execute(command)
    finally:
        await client.disconnect()


def ask(path: Path, command: str, timeout: float = 5.0) -> Any:  # noqa: ANN401 - JSON
    """Run a QMP command and return its result.

    :raise OSError: if QEMU is gone, refuses, or does not answer within `timeout` seconds.
    """
    try:
        return asyncio.run(asyncio.wait_for(_ask(path, command), timeout))
    except (QMPError, asyncio.TimeoutError) as error:
        raise OSError(str(error) or "no answer from QEMU") from error
