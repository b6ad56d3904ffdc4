"""Download Debian packages for any architecture, without changing the machine's apt configuration."""

import os
import re
import shutil
import subprocess
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


def apt_for(architecture: str, folder: Path) -> Apt:
    """Return an Apt for another architecture. It uses this machine's sources and keeps its files in `folder`."""
    for name in ("lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "status").touch()
    config = folder / "apt.conf"
    config.write_text(
        f'APT::Architecture "{architecture}";\n'
        f'APT::Architectures {{ "{architecture}"; }};\n'
        f'Dir::State::lists "{folder}/lists";\n'
        f'Dir::State::status "{folder}/status";\n'
        f'Dir::Cache "{folder}/cache";\n'
        'Acquire::Languages "none";\n'
    )
    return Apt(config)


def version_key(version: str) -> tuple[int, ...]:
    """Return a sort key for the versions of a package."""
    return tuple(map(int, re.findall(r"\d+", version)))
