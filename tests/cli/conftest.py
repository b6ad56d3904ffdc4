"""Kernels of a few bytes, as files."""

from pathlib import Path

import pytest

from pvhdbg.live.system import programs
from tests import tiny


@pytest.fixture(scope="session")
def _kernels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kernels")


@pytest.fixture(scope="session")
def waiting(_kernels: Path) -> Path:
    """Never leaves its entry."""
    return _written(_kernels / "waiting.elf", tiny.waiting())


@pytest.fixture(scope="session")
def dying(_kernels: Path) -> Path:
    """Dies of a triple fault in xen_prepare_pvh."""
    return _written(_kernels / "dying.elf", tiny.dying())


@pytest.fixture(scope="session")
def leaving(_kernels: Path) -> Path:
    """Ends QEMU in xen_prepare_pvh, if that has tiny.LEAVING.

    Since QEMU 9.0 the device asks for a shutdown, at which pvhdbg's QEMU stands still.
    """
    version = programs.QEMU.says.match(programs.version("qemu-system-x86_64"))
    assert version is not None
    if int(version[1]) >= 9:
        pytest.skip("this QEMU's isa-debug-exit ends no QEMU that has -no-shutdown")
    return _written(_kernels / "leaving.elf", tiny.leaving())


@pytest.fixture(scope="session")
def nameless(_kernels: Path) -> Path:
    """Has no symbols."""
    return _written(_kernels / "nameless.elf", tiny.nameless())


def _written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path
