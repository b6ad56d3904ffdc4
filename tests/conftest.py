"""What many tests start from: real kernels, an initrd, KVM where there is one."""

import gzip
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import cpio, kernels
from tests.live.foreign import Foreign


def pytest_configure() -> None:
    """Let what the tests start see the same terminal and language everywhere."""
    os.environ.update(LC_ALL="C.UTF-8", TERM="xterm-256color")
    os.environ.pop("DEBUGINFOD_URLS", None)


def _or_skip(find: Callable[[str], Path], name: str) -> Path:
    try:
        return find(name)
    except kernels.MissingError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def vmlinux_61() -> Path:
    """Debian's 6.1 with debug information, 590 MB."""
    return _or_skip(kernels.vmlinux, "6.1")


@pytest.fixture(scope="session")
def vmlinux_612() -> Path:
    """Debian's 6.12 with debug information."""
    return _or_skip(kernels.vmlinux, "6.12")


@pytest.fixture(scope="session", params=["6.1", "6.12", "6.1-686"])
def debian_vmlinux(request: pytest.FixtureRequest) -> Path:
    """Each of Debian's kernels with debug information."""
    return _or_skip(kernels.vmlinux, request.param)


@pytest.fixture(scope="session")
def vmlinuz_lz4() -> Path:
    """Debian's 6.1 for clouds: a bzImage with LZ4's legacy frame."""
    return _or_skip(kernels.vmlinuz, "6.1-cloud")


@pytest.fixture(scope="session")
def vmlinuz_zstd() -> Path:
    """Debian's 6.12 for clouds: a bzImage with zstd."""
    return _or_skip(kernels.vmlinuz, "6.12-cloud")


@pytest.fixture(scope="session")
def vmlinuz_xz() -> Path:
    """Debian's 6.1 for everything: a bzImage with xz."""
    return _or_skip(kernels.vmlinuz, "6.1")


@pytest.fixture(scope="session", params=["6.1-cloud", "6.12-cloud", "6.1"])
def debian_vmlinuz(request: pytest.FixtureRequest) -> Path:
    """Each of Debian's bzImages: LZ4, zstd and xz."""
    return _or_skip(kernels.vmlinuz, request.param)


@pytest.fixture(scope="session")
def grub_image() -> Path:
    """GRUB as a PVH guest: 32-bit, and none of Linux's symbols."""
    return _or_skip(lambda _: kernels.grub_pvh(), "grub")


@pytest.fixture(scope="session")
def xen_shim() -> Path:
    """Xen as a guest: by PVH, and for QEMU by multiboot."""
    return _or_skip(lambda _: kernels.xen_shim(), "xen")


@pytest.fixture(scope="session")
def rfc_vmlinux() -> Path:
    """A small 6.1 that knows the RFC's protocol alone."""
    return _or_skip(lambda _: kernels.rfc_vmlinux(), "rfc")


@pytest.fixture(scope="session")
def kvm() -> None:
    """Skip where /dev/kvm can't be opened, saying why."""
    try:
        os.close(os.open("/dev/kvm", os.O_RDWR))
    except OSError as error:
        pytest.skip(f"/dev/kvm: {error.strerror}")


@pytest.fixture(scope="session")
def initrd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real initrd of one small file, a few hundred bytes."""
    path = tmp_path_factory.mktemp("initrd") / "initrd.gz"
    path.write_bytes(gzip.compress(cpio.archive([("init", b"#!/bin/sh\nexec poweroff -f\n")]), mtime=0))
    return path


@pytest.fixture
def foreign(tmp_path: Path) -> Iterator[Callable[..., Foreign]]:
    """Start a QEMU that is not ours, with the arguments given."""
    started: list[Foreign] = []

    def start(*args: str, stub: str | None = None) -> Foreign:
        started.append(Foreign(tmp_path, *args, stub=stub))
        started[-1].ask("query-status")
        return started[-1]

    yield start
    for each in started:
        each.process.kill()
        each.process.wait()
