"""Download Debian packages for any architecture and release, without changing the machine's apt configuration."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

QUIET = ("-qq", "-o", "APT::Sandbox::User=root")
"""If root runs apt, the user of apt's sandbox can't write to our folders, and apt would print a warning."""


class AptError(Exception):
    """A download failed; the message is the last line of apt's output."""


class Offer(NamedTuple):
    """A package that apt can download."""

    package: str
    version: str


class Apt(NamedTuple):
    """Runs apt with the machine's configuration, or with the configuration in the file `config`."""

    config: Path | None = None

    def offers(self, pattern: str) -> list[Offer]:
        """Return the newest version of each package whose name matches a POSIX regular expression, oldest first."""
        lines = self._tool("apt-cache", "search", "--names-only", pattern).splitlines()
        names = [line.partition(" ")[0] for line in lines]
        details = self._tool("apt-cache", "show", "--no-all-versions", *names) if names else ""
        pairs = re.findall(r"^Package: (\S+)$.*?^Version: (\S+)$", details, re.MULTILINE | re.DOTALL)
        return sorted((Offer(*pair) for pair in pairs), key=lambda offer: version_key(offer.version))

    def offer(self, package: str) -> Offer | None:
        """Return the newest version of a package. If apt does not know it, update the package lists first."""
        pattern = f"^{re.escape(package)}$"
        if not (offers := self.offers(pattern)):
            self.update_lists()
            offers = self.offers(pattern)
        return offers[-1] if offers else None

    def mirrors(self) -> list[str]:
        """Return the addresses of Debian's archive in the configuration, without those of its security updates."""
        form = ("--format", "$(LABEL) $(REPO_URI)", "Created-By: Packages")
        lines = self._tool("apt-get", "indextargets", *form).splitlines()
        return [address for label, _, address in (line.partition(" ") for line in lines) if label == "Debian"]

    def download(self, offer: Offer, folder: Path) -> Path:
        """Download a .deb file. If this version no longer exists, update the package lists and try again.

        :raise AptError: if the download fails.
        """
        errors = self._download(offer, folder)
        if not any(folder.glob("*.deb")):
            self.update_lists()
            errors = self._download(offer, folder)
        for package in folder.glob("*.deb"):
            return package
        raise AptError((errors.strip().splitlines() or ["apt-get download produced no file"])[-1])

    def update_lists(self) -> None:
        """Run apt-get update if this process is root or sudo needs no password."""
        prefix = [] if os.geteuid() == 0 or self.config else ["sudo", "-n"]
        if all(map(shutil.which, [*prefix[:1], "apt-get"])):
            call = [*prefix, "apt-get", *QUIET, "update"]
            subprocess.run(call, check=False, stdin=subprocess.DEVNULL, env=self._environment())

    def _download(self, offer: Offer, folder: Path) -> str:
        """Return apt's error output."""
        call = ["apt-get", *QUIET, "download", f"{offer.package}={offer.version}"]
        return self._run(call, folder).stderr

    def _tool(self, *call: str) -> str:
        """Return the output of a tool; empty if the tool is missing or fails."""
        return "" if shutil.which(call[0]) is None else self._run(call).stdout

    def _run(self, call: tuple[str, ...] | list[str], folder: Path | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            call,
            cwd=folder,
            check=False,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            env=self._environment(),
        )

    def _environment(self) -> dict[str, str]:
        return {**os.environ, **({"APT_CONFIG": str(self.config)} if self.config else {})}


class Origin(NamedTuple):
    """An architecture and a release of Debian; None for those of this machine."""

    architecture: str | None = None
    suite: str | None = None

    def __str__(self) -> str:
        return "-".join(filter(None, self))


def apt_for(origin: Origin, folder: Path) -> Apt:
    """Return an Apt for another architecture or release, which keeps its files in `folder`.

    It uses this machine's sources; for another release, only this machine's mirror of Debian.
    """
    for name in ("lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "status").touch()
    (folder / "apt.conf").write_text("".join(f"{line};\n" for line in _configuration(origin, folder)))
    return Apt(folder / "apt.conf")


def _configuration(origin: Origin, folder: Path) -> Iterator[str]:
    if origin.architecture is not None:
        yield f'APT::Architecture "{origin.architecture}"'
        yield f'APT::Architectures {{ "{origin.architecture}"; }}'
    if origin.suite is not None:
        lines = [f"deb {mirror} {origin.suite} main\n" for mirror in Apt().mirrors()[:1]]
        (folder / "sources.list").write_text("".join(lines))
        yield f'Dir::Etc::SourceList "{folder}/sources.list"'
        yield 'Dir::Etc::SourceParts "-"'
    yield f'Dir::State::Lists "{folder}/lists"'
    yield f'Dir::State::Status "{folder}/status"'
    yield f'Dir::Cache "{folder}/cache"'
    yield 'Acquire::Languages "none"'


def version_key(version: str) -> tuple[int, ...]:
    """Return a sort key for the versions of a package."""
    return tuple(map(int, re.findall(r"\d+", version)))
