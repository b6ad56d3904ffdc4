"""QEMU's machine protocol: one command a connection. Imported late: a boot that goes well never asks."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from qemu.qmp import QMPClient, QMPError

if TYPE_CHECKING:
    from pathlib import Path

# It logs what it also raises, and a logger without a handler writes to the terminal.
logging.getLogger("qemu.qmp").addHandler(logging.NullHandler())


async def _ask(path: Path, command: str) -> Any:  # noqa: ANN401 - JSON
    client = QMPClient("pvhdbg")
    await client.connect(str(path))
    try:
        return await client.execute(command)
    finally:
        await client.disconnect()


def ask(path: Path, command: str, timeout: float = 5.0) -> Any:  # noqa: ANN401 - JSON
    """What the command returns.

    :raise OSError: if QEMU is gone, refuses, or does not answer within `timeout` seconds.
    """
    try:
        return asyncio.run(asyncio.wait_for(_ask(path, command), timeout))
    except (QMPError, asyncio.TimeoutError) as error:
        raise OSError(str(error) or "no answer") from error
