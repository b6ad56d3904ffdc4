"""Debian's packages by apt: this machine's own, and another architecture's, for which nothing here changes."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

QUIET = ("-qq", "-o", "APT::Sandbox::User=root")
"""The sandbox user of a root's apt can't write to our folders, of which apt would only warn."""


class AptError(Exception):
    """A download that didn't work, in apt's own last words."""


class Offer(NamedTuple):
    """A package that apt can download."""

    package: str
    version: str


class Apt(NamedTuple):
    """An apt: the machine's own, or one with a configuration of its own."""

    config: Path | None = None

    def offers(self, pattern: str) -> list[Offer]:
        """Packages whose names a POSIX expression finds, each at the newest version there is, the oldest first."""
        found = self._tool("apt-cache", "search", "--names-only", pattern).splitlines()
        names = [line.partition(" ")[0] for line in found]
        shown = self._tool("apt-cache", "show", "--no-all-versions", *names) if names else ""
        pairs = re.findall(r"^Package: (\S+)$.*?^Version: (\S+)$", shown, re.MULTILINE | re.DOTALL)
        return sorted((Offer(*pair) for pair in pairs), key=lambda offer: numbers(offer.version))

    def offer(self, package: str) -> Offer | None:
        """One package, after the lists were brought up to date if it was not in them."""
        pattern = f"^{re.escape(package)}$"
        if not (found := self.offers(pattern)):
            self.update_lists()
            found = self.offers(pattern)
        return found[-1] if found else None

    def download(self, offer: Offer, folder: Path) -> Path:
        """Download one .deb; the lists are brought up to date where it is no longer there.

        :raise AptError: it can't be had.
        """
        words = self._download(offer, folder)
        if not any(folder.glob("*.deb")):
            self.update_lists()
            words = self._download(offer, folder)
        for package in folder.glob("*.deb"):
            return package
        raise AptError((words.strip().splitlines() or ["apt-get download brought nothing"])[-1])

    def update_lists(self) -> None:
        """Run apt-get update where we may; without that the lists stay what they are."""
        prefix = [] if os.geteuid() == 0 or self.config else ["sudo", "-n"]
        if all(map(shutil.which, [*prefix[:1], "apt-get"])):
            call = [*prefix, "apt-get", *QUIET, "update"]
            subprocess.run(call, check=False, stdin=subprocess.DEVNULL, env=self._environment())

    def _download(self, offer: Offer, folder: Path) -> str:
        """What it complained of."""
        call = ["apt-get", *QUIET, "download", f"{offer.package}={offer.version}"]
        return self._run(call, folder).stderr

    def _tool(self, *call: str) -> str:
        """What a tool printed; nothing where it is missing or failed."""
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


def foreign(architecture: str, folder: Path) -> Apt:
    """An apt that knows another architecture alone, from this machine's sources; the folder holds all that it keeps."""
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


def numbers(version: str) -> tuple[int, ...]:
    """What orders two versions of one package."""
    return tuple(map(int, re.findall(r"\d+", version)))
