"""QMP, QEMU's machine protocol: one connection per command.

This module is imported late, because a boot without problems never needs it.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from qemu.qmp import ExecuteError, QMPClient, QMPError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from pathlib import Path

# qemu.qmp logs every error that it raises. Without a handler, the log would go to the terminal.
logging.getLogger("qemu.qmp").addHandler(logging.NullHandler())

Client = QMPClient
Refused = ExecuteError
_JOB = "pvhdbg"


def ask(path: Path, command: str, timeout: float = 5.0) -> Any:  # noqa: ANN401 - JSON
    """Run a QMP command and return its result.

    :raise OSError: if QEMU is gone, refuses, or does not answer within `timeout` seconds.
    """
    return run(path, lambda client: client.execute(command), timeout)


def run(path: Path, work: Callable[[QMPClient], Awaitable[Any]], timeout: float) -> Any:  # noqa: ANN401 - JSON
    """Connect, let `work` run QMP commands, and return its result.

    :raise OSError: if QEMU is gone, refuses, or does not answer within `timeout` seconds.
    """
    try:
        return asyncio.run(asyncio.wait_for(_connected(path, work), timeout))
    except (QMPError, asyncio.TimeoutError, EOFError) as error:
        raise OSError(str(error) or "no answer from QEMU") from error


def monitor(path: Path, commands: Sequence[str], timeout: float = 5.0) -> list[str]:
    """Return the answers of the human monitor to commands.

    :raise OSError: if QEMU is gone, refuses, or does not answer within `timeout` seconds.
    """

    async def work(client: QMPClient) -> list[str]:
        return [str(await client.execute("human-monitor-command", {"command-line": it})) for it in commands]

    return list(run(path, work, timeout))


async def _connected(path: Path, work: Callable[[QMPClient], Awaitable[Any]]) -> Any:  # noqa: ANN401 - JSON
    client = QMPClient("pvhdbg")
    try:
        await client.connect(str(path))
        return await work(client)
    except AssertionError as error:  # qemu.qmp does not expect that a connection ends right after its start
        raise EOFError from error
    finally:
        with suppress(EOFError, OSError, QMPError):  # QEMU may end after its answer
            await client.disconnect()


async def job(client: QMPClient, command: str, arguments: Mapping[str, object]) -> None:
    """Run a command that starts a job, and wait until the job has ended.

    :raise OSError: with QEMU's message if the job failed.
    """
    with client.listener("JOB_STATUS_CHANGE") as changes:
        await client.execute(command, {"job-id": _JOB, **arguments})
        change: Any
        async for change in changes:
            if change["data"]["id"] == _JOB and change["data"]["status"] == "concluded":
                break
    jobs: Any = await client.execute("query-jobs")
    await client.execute("job-dismiss", {"id": _JOB})
    errors = [entry["error"] for entry in jobs if entry["id"] == _JOB and "error" in entry]
    if errors:
        raise OSError(errors[0])
