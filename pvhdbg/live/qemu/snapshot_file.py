"""The file of a machine's snapshots: it has no name, so it is gone when pvhdbg and QEMU have ended.

It is an empty qcow2 image. pvhdbg creates it, and QEMU inherits its file descriptor. QEMU opens it only when the first
snapshot is taken, so no QEMU fails to start because of it.
"""

from __future__ import annotations

import os
from io import FileIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_CLUSTER_BITS = 19
"""Clusters of 512 KiB: QEMU stores a snapshot as one long stream."""
_DISK_SIZE = 1 << 20
"""The size of the disk in the image. No guest uses it: the snapshots lie beyond its end."""
_SECTOR = 512


def create(folder: Path) -> FileIO:
    """Create the file in a folder, and delete its name.

    :raise OSError: if the folder can't hold it.
    """
    path = folder / "snapshots"
    file = FileIO(path, "x+")
    try:
        path.unlink()
        _write_clusters(file)
    except BaseException:
        file.close()
        raise
    return file


def _write_clusters(file: FileIO) -> None:
    cluster = 1 << _CLUSTER_BITS
    clusters = _clusters(cluster)
    for number, data in enumerate(clusters):
        os.pwrite(file.fileno(), data, number * cluster)
    file.truncate(len(clusters) * cluster)


def size_on_disk(file: FileIO) -> int:
    """Return how many bytes the file takes on the disk."""
    return os.fstat(file.fileno()).st_blocks * _SECTOR


def _clusters(cluster: int) -> Sequence[bytes]:
    """Return the beginnings of the image's clusters: header, table of reference counts, its only block, L1 table.

    Source: QEMU docs/interop/qcow2.txt, version 2.
    """
    refcounts, refcount_block, l1_table = (number * cluster for number in (1, 2, 3))
    header = b"QFI\xfb" + b"".join(
        value.to_bytes(size, "big")
        for value, size in (
            (2, 4),  # version
            (0, 8),  # offset of the backing file's name: none
            (0, 4),  # size of that name
            (_CLUSTER_BITS, 4),
            (_DISK_SIZE, 8),
            (0, 4),  # encryption: none
            (1, 4),  # entries of the L1 table
            (l1_table, 8),
            (refcounts, 8),
            (1, 4),  # clusters of the table of reference counts
            (0, 4),  # number of snapshots
            (0, 8),  # offset of the snapshot table
        )
    )
    return header, refcount_block.to_bytes(8, "big"), (1).to_bytes(2, "big") * 4, bytes(8)
