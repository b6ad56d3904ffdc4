"""Snapshots of the machine: its memory and devices, kept by QEMU in a file that has no name.

The file belongs to a drive without a guest device and with QEMU's option `snapshot=on`, so QEMU creates it in TMPDIR
and unlinks it at once. QMP's jobs name only this drive: HMP's `savevm` would also write into the user's disk images.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pvhdbg.live.qemu import qmp
from pvhdbg.live.qemu.options import DRIVE

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path


_TIMEOUT = 60.0
_PRELAUNCH = "prelaunch"


class Snapshots:
    """The snapshots of one QEMU, by tag. `qmp_path` is the path of its QMP socket.

    All methods raise OSError with QEMU's message if QEMU is gone or refuses. The guest must be stopped.
    """

    def __init__(self, qmp_path: Path) -> None:
        self._qmp_path = qmp_path
        self._node: str | None = None

    def save(self, tag: str, outdated: Collection[str] = ()) -> int:
        """Delete the outdated snapshots, whose space is used again, and take one. Return how many bytes all take."""

        async def work(client: qmp.Client) -> int:
            node = await self._find_node(client)
            for old in outdated:
                await qmp.job(client, "snapshot-delete", {"tag": old, "devices": [node]})
            await qmp.job(client, "snapshot-save", {"tag": tag, "vmstate": node, "devices": [node]})
            return int((await _drive(client))["image"].get("actual-size", 0))

        return int(self._run(work))

    def load(self, tag: str) -> None:
        """Restore the machine. A machine that died must have been reset before."""

        async def work(client: qmp.Client) -> None:
            node = await self._find_node(client)
            await qmp.job(client, "snapshot-load", {"tag": tag, "vmstate": node, "devices": [node]})

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

    async def _find_node(self, client: qmp.Client) -> str:
        """Return the name of the drive's block node, which QEMU chose."""
        if self._node is None:
            self._node = str((await _drive(client))["node-name"])
        return self._node

    def _run(self, work: Any) -> Any:  # noqa: ANN401 - JSON
        return qmp.run(self._qmp_path, work, _TIMEOUT)


async def _drive(client: qmp.Client) -> Mapping[str, Any]:
    """Return what QEMU says about our drive.

    :raise OSError: if there is no such drive.
    """
    drives: Any = await client.execute("query-block")
    for entry in drives:
        if entry["device"] == DRIVE and "inserted" in entry:
            return dict(entry["inserted"])
    raise OSError("QEMU has no drive for snapshots")
