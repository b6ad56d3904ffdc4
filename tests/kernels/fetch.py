"""Fill the cache of test kernels from apt: the version it offers now, one file a package, nothing installed.

    python -m tests.kernels.fetch

What apt doesn't offer is named and left out: the tests that need it skip. The exit status is 1 only for a download
that was offered and failed with nothing older in the cache.
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
from typing import IO, NamedTuple, cast

from tests.kernels import WANTED, Wanted, cache, cached, numbers

SCRATCH = ".fetch-"


class Offer(NamedTuple):
    """A package that apt can download."""

    package: str
    version: str

    @property
    def folder(self) -> Path:
        """Where its file goes in the cache."""
        return cache() / f"{self.package}_{self.version}"


class FetchError(Exception):
    """A download or an unpacking that didn't work, in one line."""


def main() -> int:
    """Fetch what is missing; return the exit status."""
    cache().mkdir(parents=True, exist_ok=True)
    with locked(cache() / ".lock"):
        remove_leftovers()
        offers = offered()
        if not offers and not all(cached(wanted) for wanted in WANTED.values()):
            update_lists()
            offers = offered()
        return max(bring(name, wanted, offers.get(name)) for name, wanted in WANTED.items())


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


def offered() -> Mapping[str, Offer]:
    """Ask apt for the newest version of everything wanted."""
    names = tool("apt-cache", "search", "--names-only", "^(linux-image-6|grub-xen-host)").splitlines()
    packages = [package for package in (line.partition(" ")[0] for line in names) if is_wanted(package)]
    if not packages:
        return {}
    shown = tool("apt-cache", "show", "--no-all-versions", *packages)
    pairs = re.findall(r"^Package: (\S+)$.*?^Version: (\S+)$", shown, re.MULTILINE | re.DOTALL)
    oldest_first = sorted((Offer(*pair) for pair in pairs), key=lambda offer: numbers(offer.version))
    return {name: offer for offer in oldest_first for name, wanted in WANTED.items() if fits(wanted, offer.package)}


def is_wanted(package: str) -> bool:
    """Say whether any file is wanted out of this package."""
    return any(fits(wanted, package) for wanted in WANTED.values())


def fits(wanted: Wanted, package: str) -> bool:
    """Say whether a package's name is that of the wanted one."""
    return re.fullmatch(wanted.package, package) is not None


def bring(name: str, wanted: Wanted, offer: Offer | None) -> int:
    """Have one file in the cache if that is possible; say what there is now."""
    trouble = "not offered by this machine's apt"
    status = 0
    if offer is not None and not offer.folder.is_dir():
        try:
            download(wanted, offer)
        except FetchError as error:
            trouble, status = str(error), 1
    for file in cached(wanted):
        print(f"{name:<20}{file}")
        return 0
    print(f"{name:<20}MISSING: {trouble}")
    return status


def download(wanted: Wanted, offer: Offer) -> None:
    """Put the wanted file of a package into the cache, whole or not at all, in place of older versions.

    :raise FetchError: apt or the package's content wasn't as expected.
    """
    with tempfile.TemporaryDirectory(dir=cache(), prefix=SCRATCH) as scratch:
        package = download_package(offer, Path(scratch))
        folder = Path(scratch) / "folder"
        folder.mkdir()
        unpack(package, wanted.member, folder)
        older = [file.parent for file in cached(wanted)]
        folder.rename(offer.folder)
    for path in older:
        shutil.rmtree(path)


def download_package(offer: Offer, folder: Path) -> Path:
    """Download one .deb; the lists are brought up to date where it is no longer there.

    :raise FetchError: in apt's own last words.
    """
    words = ask_apt(offer, folder)
    if not any(folder.glob("*.deb")):
        update_lists()
        words = ask_apt(offer, folder)
    for package in folder.glob("*.deb"):
        return package
    raise FetchError((words.strip().splitlines() or ["apt-get download brought nothing"])[-1])


def ask_apt(offer: Offer, folder: Path) -> str:
    """Let apt download a package; return what it complained of."""
    # The sandbox user of a root's apt can't write here, which apt would only warn of.
    call = ["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", f"{offer.package}={offer.version}"]
    done = subprocess.run(call, cwd=folder, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    return done.stderr


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


def update_lists() -> None:
    """Run apt-get update where we may; without that the lists stay what they are."""
    prefix = [] if os.geteuid() == 0 else ["sudo", "-n"]
    if all(map(shutil.which, [*prefix[:1], "apt-get"])):
        subprocess.run([*prefix, "apt-get", "-qq", "update"], check=False, stdin=subprocess.DEVNULL)


def tool(*call: str) -> str:
    """Run a tool and return what it printed; nothing where it is missing or failed."""
    if shutil.which(call[0]) is None:
        return ""
    done = subprocess.run(call, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
