"""Snapshots of the machine: its memory and devices, kept by QEMU in a file that has no name.

No guest device uses the block node of this file, and QMP's jobs name only this node: HMP's `savevm` would also write
into the user's disk images.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pvhdbg.live.qemu import qmp
from pvhdbg.live.qemu.snapshot_file import size_on_disk

if TYPE_CHECKING:
    from collections.abc import Collection
    from io import FileIO
    from pathlib import Path


_TIMEOUT = 60.0
_PRELAUNCH = "prelaunch"
_NODE = "pvhdbg-snapshots"
_UNCACHED = {"no-flush": True}
_WAYS = ("io_uring", "threads")
"""How QEMU may access the file, the fastest first. Containers and some kernels forbid io_uring.

QEMU reads and writes a snapshot in pieces of 32 KiB. With `threads`, each piece goes to another thread and back.
"""


class Snapshots:
    """The snapshots of one QEMU, by tag. `qmp_path` is the path of its QMP socket, and `file` holds the snapshots.

    QEMU has inherited the descriptor of `file`. All methods raise OSError with QEMU's message if QEMU is gone or
    refuses. The guest must be stopped.
    """

    def __init__(self, qmp_path: Path, file: FileIO) -> None:
        self._qmp_path = qmp_path
        self._file = file
        self._is_open = False

    def save(self, tag: str, outdated: Collection[str] = ()) -> int:
        """Delete the outdated snapshots, whose space is used again, and take one. Return how many bytes all take."""

        async def work(client: qmp.Client) -> None:
            if not self._is_open:
                await self._open(client)
            for old in outdated:
                await qmp.job(client, "snapshot-delete", {"tag": old, "devices": [_NODE]})
            await qmp.job(client, "snapshot-save", {"tag": tag, "vmstate": _NODE, "devices": [_NODE]})

        self._run(work)
        return size_on_disk(self._file)

    def load(self, tag: str) -> None:
        """Restore the machine. A machine that died must have been reset before."""

        async def work(client: qmp.Client) -> None:
            await qmp.job(client, "snapshot-load", {"tag": tag, "vmstate": _NODE, "devices": [_NODE]})

        self._run(work)

    def reset(self) -> None:
        """Reset a machine that died: QEMU does not run it otherwise, not even after `load`."""

        async def work(client: qmp.Client) -> None:
            with client.listener("RESET") as resets:
                await client.execute("set-action", {"reboot": "reset"})
                await client.execute("system_reset")
                async for _ in resets:
                    break
            state: Any = {}
            while state.get("status") != _PRELAUNCH:
                state = await client.execute("query-status")
            await client.execute("set-action", {"reboot": "shutdown"})

        self._run(work)

    async def _open(self, client: qmp.Client) -> None:
        """Let QEMU open the file.

        :raise QMPError: if it can't.
        """
        path = f"/proc/self/fd/{self._file.fileno()}"
        for way in _WAYS:
            file = {"driver": "file", "filename": path, "aio": way, "cache": _UNCACHED}
            try:
                await client.execute(
                    "blockdev-add", {"driver": "qcow2", "node-name": _NODE, "cache": _UNCACHED, "file": file}
                )
            except qmp.Refused:
                if way == _WAYS[-1]:
                    raise
            else:
                self._is_open = True
                return

    def _run(self, work: Any) -> Any:  # noqa: ANN401 - JSON
        return qmp.run(self._qmp_path, work, _TIMEOUT)
