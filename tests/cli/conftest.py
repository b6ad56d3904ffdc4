"""Kernel files of a few bytes."""

from pathlib import Path

import pytest

from pvhdbg.live.system import programs
from tests import tiny


@pytest.fixture(scope="session")
def _kernels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kernels")


@pytest.fixture(scope="session")
def waiting(_kernels: Path) -> Path:
    """A kernel that loops at its entry."""
    return _written(_kernels / "waiting.elf", tiny.waiting())


@pytest.fixture(scope="session")
def dying(_kernels: Path) -> Path:
    """A kernel that triple-faults in xen_prepare_pvh."""
    return _written(_kernels / "dying.elf", tiny.dying())


@pytest.fixture(scope="session")
def leaving(_kernels: Path) -> Path:
    """A kernel that makes QEMU exit in xen_prepare_pvh, if QEMU was started with tiny.EXIT_DEVICE.

    In QEMU 9.0 and later the device requests a shutdown. pvhdbg's QEMU (-no-shutdown) then pauses instead of exiting.
    """
    version = programs.QEMU.version_pattern.match(programs.version("qemu-system-x86_64"))
    assert version is not None
    if int(version[1]) >= 9:
        pytest.skip("in this QEMU isa-debug-exit does not override -no-shutdown")
    return _written(_kernels / "leaving.elf", tiny.exiting())


@pytest.fixture(scope="session")
def nameless(_kernels: Path) -> Path:
    """A kernel without symbols."""
    return _written(_kernels / "nameless.elf", tiny.nameless())


def _written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path
