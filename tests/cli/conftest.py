"""Kernels of a few bytes, as files."""

from pathlib import Path

import pytest

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
    """Ends QEMU in xen_prepare_pvh, if that has tiny.LEAVING."""
    return _written(_kernels / "leaving.elf", tiny.leaving())


@pytest.fixture(scope="session")
def nameless(_kernels: Path) -> Path:
    """Has no symbols."""
    return _written(_kernels / "nameless.elf", tiny.nameless())


def _written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path
