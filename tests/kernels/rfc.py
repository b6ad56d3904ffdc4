"""Build the RFC kernel: a small Linux 6.1 from Debian's source, with debug information. Its PVH entry calls rfc.c.

    python -m tests.kernels.rfc

The build takes about four minutes on two cores. It is repeated if the version of the source, rfc.c, rfc.config or
PATCHES has changed. If apt does not offer the source (as on Debian 13), the script prints that, and the tests that need
the kernel are skipped.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.kernels import MissingError, cache, fetch
from tests.kernels.apt import Apt, AptError, Offer, version_key
from tests.kernels.fetch import SCRATCH, FetchError

HERE = Path(__file__).parent
PACKAGE = "linux-source-6.1"
ENLIGHTEN = "arch/x86/platform/pvh/enlighten.c"
# The replacements in enlighten.c. Each pattern must match exactly once.
PATCHES = (
    (r"^static void __init (?=init_pvh_bootparams\()", "static void __init __maybe_unused "),
    (r"^(?=void __init xen_prepare_pvh\()", '#include "rfc.c"\n'),
    (r"\binit_pvh_bootparams(?=\(xen_guest\);)", "rfc_init_bootparams"),
)
# For a reproducible build: the kernel contains no build time, user name or host name.
BUILD_IDENTITY = {
    "KBUILD_BUILD_TIMESTAMP": "Thu Nov 30 00:00:00 UTC 2017",
    "KBUILD_BUILD_USER": "pvhdbg",
    "KBUILD_BUILD_HOST": "pvhdbg",
    "KBUILD_BUILD_VERSION": "1",
}


def main() -> int:
    """Build the kernel if it is not in the cache; return the exit status."""
    cache().mkdir(parents=True, exist_ok=True)
    with fetch.locked(cache() / ".lock"):
        fetch.remove_leftovers()
        reason, status = build_newest()
    try:
        print(f"{'vmlinux-rfc':<20}{find()}")
    except MissingError:
        print(f"{'vmlinux-rfc':<20}MISSING: {reason}")
        return status
    return 0


def build_newest() -> tuple[str, int]:
    """Build the kernel from the newest source that apt offers. If that fails, return the reason and an exit status."""
    offer = Apt().offer(PACKAGE)
    if offer is None:
        return f"this machine's apt does not offer {PACKAGE}", 0
    try:
        if not folder(offer.version).is_dir():
            build(offer)
    except (AptError, FetchError) as error:
        return str(error), 1
    return "", 0


def find() -> Path:
    """Return the newest kernel in the cache that was built from the current rfc.c, rfc.config and PATCHES.

    :raise MissingError: if the kernel is not in the cache. The message says how to get it.
    """
    built = sorted(cache().glob(folder("*").name), key=lambda path: version_key(path.name.split("_")[1]))
    if not built:
        raise MissingError(f"the RFC kernel is not in {cache()}: `make test` builds it if apt offers {PACKAGE}")
    return built[-1] / "vmlinux"


def folder(version: str) -> Path:
    """Return the folder in the cache for the kernel that is built from a version of the source."""
    parts = (HERE / "rfc.c").read_bytes(), (HERE / "rfc.config").read_bytes(), repr(PATCHES).encode()
    return cache() / f"vmlinux-rfc_{version}_{hashlib.sha256(b'|'.join(parts)).hexdigest()[:12]}"


def build(offer: Offer) -> None:
    """Build the kernel, put it into the cache, and remove older builds. A failure leaves the cache unchanged.

    :raise AptError: if the source can't be downloaded.
    :raise FetchError: if the source is not as expected, or a tool fails.
    """
    with tempfile.TemporaryDirectory(dir=cache(), prefix=SCRATCH) as scratch:
        tree = unpack(offer, Path(scratch))
        patch(tree)
        make(tree, f"KCONFIG_ALLCONFIG={HERE / 'rfc.config'}", "allnoconfig")
        make(tree, f"-j{len(os.sched_getaffinity(0))}", "vmlinux")
        done = Path(scratch) / "done"
        done.mkdir()
        with (tree / "vmlinux").open("rb") as vmlinux:
            fetch.save(vmlinux, done / "vmlinux")
        older = list(cache().glob("vmlinux-rfc_*"))
        done.rename(folder(offer.version))
    for path in older:
        shutil.rmtree(path)


def unpack(offer: Offer, scratch: Path) -> Path:
    """Download and unpack the source; return the folder of the source tree."""
    package = Apt().download(offer, scratch)
    fetch.unpack(package, rf"usr/src/{PACKAGE}\.tar\.xz", scratch)
    package.unlink()
    run("tar", "-xf", f"{PACKAGE}.tar.xz", cwd=scratch)
    return scratch / PACKAGE


def patch(tree: Path) -> None:
    """Change the kernel's source so that it includes rfc.c and calls it.

    :raise FetchError: if a pattern of PATCHES does not match exactly once.
    """
    shutil.copy(HERE / "rfc.c", (tree / ENLIGHTEN).parent)
    text = (tree / ENLIGHTEN).read_text("utf-8")
    for pattern, replacement in PATCHES:
        text, count = re.subn(pattern, replacement, text, flags=re.MULTILINE)
        if count != 1:
            raise FetchError(f"{ENLIGHTEN}: {pattern} matches {count} times")
    (tree / ENLIGHTEN).write_text(text, "utf-8")


def make(tree: Path, *words: str) -> None:
    """Run make on the kernel. The debug information gets the path at which Debian's package installs the source."""
    names = f"-ffile-prefix-map={tree}=/usr/src/{PACKAGE}"
    run("nice", "make", "-s", f"KCFLAGS={names}", f"KAFLAGS={names}", *words, cwd=tree)


def run(*call: str, cwd: Path) -> None:
    """Run a tool.

    :raise FetchError: if it fails. The message is the last line of its error output.
    """
    try:
        environment = {**os.environ, **BUILD_IDENTITY, "LC_ALL": "C"}
        done = subprocess.run(
            call, cwd=cwd, env=environment, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL
        )
    except FileNotFoundError as error:
        raise FetchError(f"{call[0]} is not installed") from error
    if done.returncode:
        raise FetchError(f"{' '.join(call[:3])}: {(done.stderr.strip().splitlines() or ['failed'])[-1]}")


if __name__ == "__main__":
    sys.exit(main())
