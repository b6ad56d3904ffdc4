"""Fill the cache of test kernels with apt: the current version of each file. No package is installed.

    python -m tests.kernels.fetch [NAME…]

The names are those of FILES; without names, all files are fetched. Files that apt does not offer are reported and left
out; tests that need them are skipped. The exit status is 1 only if a download for this machine's own architecture and
release failed and the cache has no older version of the file.
"""

import fcntl
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from tests.kernels import FILES, PackageFile, cache, cached
from tests.kernels.apt import Apt, AptError, Offer, Origin, apt_for

SCRATCH = ".fetch-"
PATTERN = "^(linux-image-[0-9]|grub-xen-host|xen-utils-4|xen-hypervisor-4)"


class FetchError(Exception):
    """A download failed or a package could not be unpacked; the message is one line."""


def main(names: Collection[str] = ()) -> int:
    """Fetch the files with these names, or all, that are not in the cache; return the exit status."""
    cache().mkdir(parents=True, exist_ok=True)
    with locked(cache() / ".lock"):
        remove_leftovers()
        groups: dict[Origin, dict[str, PackageFile]] = {}
        for name, file in FILES.items() if not names else ((name, FILES[name]) for name in names):
            groups.setdefault(Origin(file.architecture, file.suite), {})[name] = file
        return max(fetch_all(origin, group) for origin, group in groups.items())


def fetch_all(origin: Origin, group: Mapping[str, PackageFile]) -> int:
    """Fetch the files of an origin; return the exit status."""
    apt = apt_for(origin, cache() / f".apt-{origin}") if any(origin) else Apt()
    offers = newest_offers(apt, group)
    if not offers and not all(cached(file) for file in group.values()):
        apt.update_lists()
        offers = newest_offers(apt, group)
    status = max(fetch_one(apt, name, file, offers.get(name)) for name, file in group.items())
    return 0 if any(origin) else status


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Within the block, hold a lock, so that a second run waits until the first has filled the cache."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def remove_leftovers() -> None:
    """Remove the temporary files of a run that was killed."""
    for path in cache().rglob(f"{SCRATCH}*"):
        shutil.rmtree(path)


def newest_offers(apt: Apt, group: Mapping[str, PackageFile]) -> Mapping[str, Offer]:
    """Ask apt for the newest version of each file's package."""
    oldest_first = apt.offers(PATTERN)
    return {name: offer for offer in oldest_first for name, file in group.items() if matches(file, offer.package)}


def matches(file: PackageFile, package: str) -> bool:
    """Return whether the file is in the package with this name."""
    return re.fullmatch(file.package, package) is not None


def folder_of(file: PackageFile, offer: Offer) -> Path:
    """Return the folder in the cache for a package."""
    return cache() / (file.suite or "") / f"{offer.package}_{offer.version}"


def fetch_one(apt: Apt, name: str, file: PackageFile, offer: Offer | None) -> int:
    """Fetch a file unless it is in the cache, print the version in the cache, and return the exit status."""
    reason = "not offered by this machine's apt"
    status = 0
    if offer is not None and not folder_of(file, offer).is_dir():
        try:
            download(apt, file, offer)
        except (AptError, FetchError) as error:
            reason, status = str(error), 1
    for path in cached(file):
        print(f"{name:<20}{path}")
        return 0
    print(f"{name:<20}MISSING: {reason}")
    return status


def download(apt: Apt, file: PackageFile, offer: Offer) -> None:
    """Download a package, put its file into the cache, and remove older versions. A failure leaves the cache unchanged.

    :raise AptError: if the package can't be downloaded.
    :raise FetchError: if its content is not as expected.
    """
    with tempfile.TemporaryDirectory(dir=cache(), prefix=SCRATCH) as scratch:
        package = apt.download(offer, Path(scratch))
        folder = Path(scratch) / "folder"
        folder.mkdir()
        unpack(package, file.member, folder)
        older = [path.parent for path in cached(file)]
        folder_of(file, offer).parent.mkdir(exist_ok=True)
        folder.rename(folder_of(file, offer))
    for path in older:
        shutil.rmtree(path)


def unpack(package: Path, member: str, folder: Path) -> None:
    """Unpack one file, then stop reading, because the rest of a kernel's debug package is modules.

    :raise FetchError: if the file is not in the package.
    """
    call = ["dpkg-deb", "--fsys-tarfile", str(package)]
    with subprocess.Popen(call, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as unpacker:
        try:
            save_member(cast("IO[bytes]", unpacker.stdout), member, folder)
        except tarfile.TarError as error:
            raise FetchError(f"{package.name}: {error}") from error
        finally:
            unpacker.kill()


def save_member(stream: IO[bytes], member: str, folder: Path) -> None:
    """Save the first file of an archive whose path matches."""
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        for entry in archive:
            if entry.isfile() and (match := re.fullmatch(rf"(?:\./)?{member}", entry.name)):
                name = "-".join((Path(entry.name).name, *match.groups()))
                save(archive.extractfile(entry), folder / name)
                return
    raise FetchError(f"no file in the package matches {member}")


def save(content: IO[bytes] | None, path: Path) -> None:
    """Write a file and sync it to disk. Afterwards, the caller gives the folder its final name."""
    if content is None:
        raise FetchError(f"{path.name} has no content")
    with path.open("wb") as file:
        shutil.copyfileobj(content, file, 1 << 20)
        file.flush()
        os.fsync(file.fileno())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
