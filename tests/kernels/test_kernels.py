import subprocess
from pathlib import Path

import pytest

from tests import kernels
from tests.kernels import FILES, fetch


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    kernels.cache().mkdir(parents=True)
    return kernels.cache()


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A Debian package with two files."""
    tree = tmp_path / "tree"
    for name, content in {"DEBIAN/control": CONTROL, "boot/config-6.1": "no", "boot/vmlinuz-6.1": "the kernel"}.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(content)
    subprocess.run(["dpkg-deb", "--build", tree, tmp_path / "a.deb"], check=True, capture_output=True)
    return tmp_path / "a.deb"


CONTROL = "Package: a\nVersion: 1\nArchitecture: all\nMaintainer: test <test@example.org>\nDescription: a\n"


@pytest.mark.parametrize(
    ("package", "names"),
    [
        ("linux-image-6.1.0-56-cloud-amd64-dbg", ["vmlinux-6.1"]),
        ("linux-image-5.10.0-32-cloud-amd64-dbg", ["vmlinux-5.10"]),
        ("linux-image-6.1.0-56-cloud-amd64", ["vmlinuz-6.1-cloud"]),
        ("linux-image-6.1.0-56-amd64", ["vmlinuz-6.1"]),
        ("linux-image-6.12.117+deb12-cloud-amd64-dbg", ["vmlinux-6.12"]),
        ("linux-image-6.12.48+deb13-cloud-amd64", ["vmlinuz-6.12-cloud"]),
        ("linux-image-6.1.0-50-686-pae-dbg", ["vmlinux-6.1-686"]),
        ("grub-xen-host", ["grub"]),
        ("xen-utils-4.17", ["xen"]),
        ("xen-utils-4.17-dbg", []),
        ("linux-image-6.1.0-56-rt-amd64", []),
        ("linux-image-6.1.0-56-cloud-amd64-unsigned", []),
        ("linux-image-6.12-cloud-amd64-dbg", []),
        ("linux-image-6.11.2-cloud-amd64-dbg", []),
    ],
)
def test_package_names_are_matched_to_files(package: str, names: list[str]) -> None:
    assert names == [name for name in FILES if FILES[name].suite != "sid" and fetch.matches(FILES[name], package)]


@pytest.mark.parametrize("abi", ["7.2.13+deb14", "6.12.117+deb12", "6.1.0-56", "7.3"])
def test_every_cloud_kernel_of_sid_is_matched(abi: str) -> None:
    file = FILES["vmlinux-sid"]

    assert fetch.matches(file, f"linux-image-{abi}-cloud-amd64-dbg")
    assert not fetch.matches(file, f"linux-image-{abi}-cloud-arm64-dbg")
    assert not fetch.matches(file, f"linux-image-{abi}-rt-amd64-dbg")


def test_the_packages_of_another_release_do_not_count_as_those_of_this_one(empty_cache: Path) -> None:
    folder = empty_cache / "sid" / "linux-image-6.12.117+deb14-cloud-amd64-dbg_6.12.117-1"
    folder.mkdir(parents=True)
    (folder / "vmlinux").touch()

    assert folder / "vmlinux" == kernels.vmlinux("sid")
    with pytest.raises(kernels.MissingError):
        kernels.vmlinux("6.12")


def test_the_newest_version_in_the_cache_is_used(empty_cache: Path) -> None:
    for abi, version in (("9", "6.1.99-1"), ("56", "6.1.192-2"), ("55", "6.1.176-1")):
        folder = empty_cache / f"linux-image-6.1.0-{abi}-amd64_{version}"
        folder.mkdir()
        (folder / f"vmlinuz-6.1.0-{abi}-amd64").touch()

    assert "vmlinuz-6.1.0-56-amd64" == kernels.vmlinuz("6.1").name


def test_the_error_for_a_missing_kernel_says_how_to_get_it(empty_cache: Path) -> None:
    with pytest.raises(kernels.MissingError, match=f"grub is not in {empty_cache}: `make test`"):
        kernels.grub_pvh()


def test_only_the_requested_file_of_a_package_is_unpacked(package: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    fetch.unpack(package, FILES["vmlinuz-6.1"].member, folder)

    assert {"vmlinuz-6.1": "the kernel"} == {path.name: path.read_text() for path in folder.iterdir()}


def test_a_files_name_gets_the_release_that_only_its_folder_has(package: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    fetch.unpack(package, r"([^/]+)/vmlinuz-6\.1", folder)

    assert ["vmlinuz-6.1-boot"] == [path.name for path in folder.iterdir()]


def test_a_package_without_the_requested_file_is_an_error(package: Path, tmp_path: Path) -> None:
    with pytest.raises(fetch.FetchError, match="no file in the package matches usr/lib/debug"):
        fetch.unpack(package, FILES["vmlinux-6.1"].member, tmp_path)


def test_a_damaged_package_is_an_error_and_leaves_no_file(package: Path, tmp_path: Path) -> None:
    package.write_bytes(package.read_bytes()[:200])
    folder = tmp_path / "out"
    folder.mkdir()

    with pytest.raises(fetch.FetchError):
        fetch.unpack(package, FILES["vmlinuz-6.1"].member, folder)
    assert [] == list(folder.iterdir())
