"""Fixtures for many tests: real kernels, an initrd, KVM, and a QEMU that pvhdbg did not start."""

import gc
import gzip
import os
import signal
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

# Before the first import of a helper whose assertions tests.asserted must see.
_names = {f"tests.{path.stem}" for path in Path(__file__).parent.iterdir()}
pytest.register_assert_rewrite(*(_names - sys.modules.keys()))

from tests import asserted, cpio, kernels  # noqa: E402
from tests.live.foreign import Foreign  # noqa: E402


def pytest_configure(config: pytest.Config) -> None:
    """Use the same terminal, language and signals on every machine for the programs that the tests start."""
    config.pluginmanager.register(asserted)
    os.environ.update(LC_ALL="C.UTF-8", TERM="xterm-256color")
    os.environ.pop("DEBUGINFOD_URLS", None)
    # nohup, and a shell that starts the tests in the background, make their children ignore these.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    """Keep the garbage collector from looking at the collected tests again and again: a tenth of the CPU time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def _or_skip(find: Callable[[str], Path], name: str) -> Path:
    try:
        return find(name)
    except kernels.MissingError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def find_vmlinux() -> Callable[[str], Path]:
    """Return a function that returns Debian's Linux of a release with debug information, or skips the test."""
    return partial(_or_skip, kernels.vmlinux)


@pytest.fixture(scope="session")
def vmlinux_61() -> Path:
    """Return Debian's Linux 6.1 with debug information (590 MB)."""
    return _or_skip(kernels.vmlinux, "6.1")


@pytest.fixture(scope="session")
def vmlinux_612() -> Path:
    """Return Debian's Linux 6.12 with debug information."""
    return _or_skip(kernels.vmlinux, "6.12")


@pytest.fixture(scope="session", params=["5.10", "6.1", "6.12", "sid", "6.1-686"])
def debian_vmlinux(request: pytest.FixtureRequest) -> Path:
    """Return each of Debian's kernels with debug information."""
    return _or_skip(kernels.vmlinux, request.param)


@pytest.fixture(scope="session")
def vmlinuz_lz4() -> Path:
    """Return Debian's Linux 6.1 cloud kernel, a bzImage compressed with LZ4 (legacy frame format)."""
    return _or_skip(kernels.vmlinuz, "6.1-cloud")


@pytest.fixture(scope="session")
def vmlinuz_zstd() -> Path:
    """Return Debian's Linux 6.12 cloud kernel, a bzImage compressed with zstd."""
    return _or_skip(kernels.vmlinuz, "6.12-cloud")


@pytest.fixture(scope="session")
def vmlinuz_xz() -> Path:
    """Return Debian's generic Linux 6.1, a bzImage compressed with xz."""
    return _or_skip(kernels.vmlinuz, "6.1")


@pytest.fixture(scope="session", params=["6.1-cloud", "6.12-cloud", "6.1"])
def debian_vmlinuz(request: pytest.FixtureRequest) -> Path:
    """Return each of Debian's bzImages: LZ4, zstd and xz."""
    return _or_skip(kernels.vmlinuz, request.param)


@pytest.fixture(scope="session")
def grub_image() -> Path:
    """Return GRUB as a PVH guest: 32-bit, without symbols."""
    return _or_skip(lambda _: kernels.grub_pvh(), "grub")


@pytest.fixture(scope="session")
def xen_shim() -> Path:
    """Return Xen as a guest. It has a PVH entry, but QEMU boots it via multiboot."""
    return _or_skip(lambda _: kernels.xen_shim(), "xen")


@pytest.fixture(scope="session")
def xen_hypervisor() -> Path:
    """Return Debian's Xen, for `--xen-image`."""
    return _or_skip(lambda _: kernels.xen_hypervisor(), "hypervisor")


@pytest.fixture(scope="session")
def rfc_vmlinux() -> Path:
    """Return a small Linux 6.1 that supports only the 2017 RFC protocol."""
    return _or_skip(lambda _: kernels.rfc_vmlinux(), "rfc")


@pytest.fixture(scope="session")
def kvm() -> None:
    """Skip the test if /dev/kvm can't be opened."""
    try:
        os.close(os.open("/dev/kvm", os.O_RDWR))
    except OSError as error:
        pytest.skip(f"/dev/kvm: {error.strerror}")


@pytest.fixture(scope="session")
def initrd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an initrd with one small file."""
    path = tmp_path_factory.mktemp("initrd") / "initrd.gz"
    path.write_bytes(gzip.compress(cpio.archive([("init", b"#!/bin/sh\nexec poweroff -f\n")]), mtime=0))
    return path


@pytest.fixture
def foreign(tmp_path: Path) -> Iterator[Callable[..., Foreign]]:
    """Return a function that starts QEMU without pvhdbg, for tests that attach to it."""
    machines: list[Foreign] = []

    def start(*args: str, stub: str | None = None) -> Foreign:
        machines.append(Foreign(tmp_path, *args, stub=stub))
        machines[-1].ask("query-status")
        return machines[-1]

    yield start
    for machine in machines:
        machine.process.kill()
        machine.process.wait()
