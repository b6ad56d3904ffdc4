"""Fill the cache of test kernels from apt: the version it offers now, one file a package, nothing installed.

    python -m tests.kernels.fetch

What apt doesn't offer is named and left out: the tests that need it skip. The exit status is 1 only for a download
that was offered for this machine's own architecture and failed with nothing older in the cache.
"""

import fcntl
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from tests.kernels import WANTED, Wanted, cache, cached
from tests.kernels.apt import Apt, AptError, Offer, foreign

SCRATCH = ".fetch-"
PATTERN = "^(linux-image-6|grub-xen-host|xen-utils-4)"


class FetchError(Exception):
    """A download or an unpacking that didn't work, in one line."""


def main() -> int:
    """Fetch what is missing; return the exit status."""
    cache().mkdir(parents=True, exist_ok=True)
    with locked(cache() / ".lock"):
        remove_leftovers()
        groups: dict[str | None, dict[str, Wanted]] = {}
        for name, wanted in WANTED.items():
            groups.setdefault(wanted.architecture, {})[name] = wanted
        return max(bring_all(architecture, group) for architecture, group in groups.items())


def bring_all(architecture: str | None, group: Mapping[str, Wanted]) -> int:
    """Fetch what is wanted of an architecture, None being this machine's; its exit status."""
    apt = Apt() if architecture is None else foreign(architecture, cache() / f".apt-{architecture}")
    offers = offered(apt, group)
    if not offers and not all(cached(wanted) for wanted in group.values()):
        apt.update_lists()
        offers = offered(apt, group)
    status = max(bring(apt, name, wanted, offers.get(name)) for name, wanted in group.items())
    return status if architecture is None else 0


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep a second run waiting until the first has filled the cache."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def remove_leftovers() -> None:
    """Remove what a run left behind that was killed on the way."""
    for path in cache().glob(f"{SCRATCH}*"):
        shutil.rmtree(path)


def offered(apt: Apt, group: Mapping[str, Wanted]) -> Mapping[str, Offer]:
    """Ask apt for the newest version of everything wanted."""
    oldest_first = apt.offers(PATTERN)
    return {name: offer for offer in oldest_first for name, wanted in group.items() if fits(wanted, offer.package)}


def fits(wanted: Wanted, package: str) -> bool:
    """Say whether a package's name is that of the wanted one."""
    return re.fullmatch(wanted.package, package) is not None


def folder_of(offer: Offer) -> Path:
    """Where the file of a package goes in the cache."""
    return cache() / f"{offer.package}_{offer.version}"


def bring(apt: Apt, name: str, wanted: Wanted, offer: Offer | None) -> int:
    """Have one file in the cache if that is possible; say what there is now."""
    trouble = "not offered by this machine's apt"
    status = 0
    if offer is not None and not folder_of(offer).is_dir():
        try:
            download(apt, wanted, offer)
        except (AptError, FetchError) as error:
            trouble, status = str(error), 1
    for file in cached(wanted):
        print(f"{name:<20}{file}")
        return 0
    print(f"{name:<20}MISSING: {trouble}")
    return status


def download(apt: Apt, wanted: Wanted, offer: Offer) -> None:
    """Put the wanted file of a package into the cache, whole or not at all, in place of older versions.

    :raise AptError: the package can't be had.
    :raise FetchError: its content wasn't as expected.
    """
    with tempfile.TemporaryDirectory(dir=cache(), prefix=SCRATCH) as scratch:
        package = apt.download(offer, Path(scratch))
        folder = Path(scratch) / "folder"
        folder.mkdir()
        unpack(package, wanted.member, folder)
        older = [file.parent for file in cached(wanted)]
        folder.rename(folder_of(offer))
    for path in older:
        shutil.rmtree(path)


def unpack(package: Path, member: str, folder: Path) -> None:
    """Unpack one file and stop reading there: the rest of a kernel's debug package is modules.

    :raise FetchError: it isn't in the package.
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
    """Save the first file of an archive whose path fits."""
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        for entry in archive:
            if entry.isfile() and re.fullmatch(rf"(\./)?{member}", entry.name):
                save(archive.extractfile(entry), folder / Path(entry.name).name)
                return
    raise FetchError(f"no file like {member} in the package")


def save(content: IO[bytes] | None, path: Path) -> None:
    """Write a file and let it reach the disk before its folder gets its final name."""
    if content is None:
        raise FetchError(f"{path.name} has no content")
    with path.open("wb") as file:
        shutil.copyfileobj(content, file, 1 << 20)
        file.flush()
        os.fsync(file.fileno())


if __name__ == "__main__":
    sys.exit(main())
