"""Build the RFC's kernel: Debian's Linux 6.1, small, with debug information, and with rfc.c for its PVH entry's C.

    python -m tests.kernels.rfc

It takes some four minutes on two cores, and is cached by the source's version, the configuration and the change.
Where apt doesn't offer the source, as on a Debian newer than 12, that is said and the tests that need it skip.
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
from tests.kernels.apt import Apt, AptError, Offer, numbers
from tests.kernels.fetch import SCRATCH, FetchError

HERE = Path(__file__).parent
PACKAGE = "linux-source-6.1"
ENLIGHTEN = "arch/x86/platform/pvh/enlighten.c"
# What is done to enlighten.c: each pattern is found once.
CHANGES = (
    (r"^static void __init (?=init_pvh_bootparams\()", "static void __init __maybe_unused "),
    (r"^(?=void __init xen_prepare_pvh\()", '#include "rfc.c"\n'),
    (r"\binit_pvh_bootparams(?=\(xen_guest\);)", "rfc_init_bootparams"),
)
# Nothing of the machine, the user or the day goes into the kernel.
NOBODY = {
    "KBUILD_BUILD_TIMESTAMP": "Thu Nov 30 00:00:00 UTC 2017",
    "KBUILD_BUILD_USER": "pvhdbg",
    "KBUILD_BUILD_HOST": "pvhdbg",
    "KBUILD_BUILD_VERSION": "1",
}


def main() -> int:
    """Build what is missing; return the exit status."""
    cache().mkdir(parents=True, exist_ok=True)
    with fetch.locked(cache() / ".lock"):
        fetch.remove_leftovers()
        trouble, status = bring()
    try:
        print(f"{'vmlinux-rfc':<20}{find()}")
    except MissingError:
        print(f"{'vmlinux-rfc':<20}MISSING: {trouble}")
        return status
    return 0


def bring() -> tuple[str, int]:
    """Have the kernel of the newest source that apt offers; return why not, and the exit status that deserves."""
    offer = Apt().offer(PACKAGE)
    if offer is None:
        return f"{PACKAGE} is not offered by this machine's apt", 0
    try:
        if not folder(offer.version).is_dir():
            build(offer)
    except (AptError, FetchError) as error:
        return str(error), 1
    return "", 0


def find() -> Path:
    """Return the newest kernel in the cache that today's rfc.c and rfc.config made.

    :raise MissingError: there is none; the message says how to get it.
    """
    built = sorted(cache().glob(folder("*").name), key=lambda path: numbers(path.name.split("_")[1]))
    if not built:
        raise MissingError(f"the RFC's kernel is not in {cache()}: `make test` builds it where apt offers {PACKAGE}")
    return built[-1] / "vmlinux"


def folder(version: str) -> Path:
    """Return where the kernel made of a version of the source goes."""
    parts = (HERE / "rfc.c").read_bytes(), (HERE / "rfc.config").read_bytes(), repr(CHANGES).encode()
    return cache() / f"vmlinux-rfc_{version}_{hashlib.sha256(b'|'.join(parts)).hexdigest()[:12]}"


def build(offer: Offer) -> None:
    """Put the kernel into the cache, whole or not at all, in place of older ones.

    :raise AptError: the source can't be had.
    :raise FetchError: the source or a tool wasn't as expected.
    """
    with tempfile.TemporaryDirectory(dir=cache(), prefix=SCRATCH) as scratch:
        tree = unpack(offer, Path(scratch))
        change(tree)
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
    """Download the source and unpack it; return the folder of the tree."""
    package = Apt().download(offer, scratch)
    fetch.unpack(package, rf"usr/src/{PACKAGE}\.tar\.xz", scratch)
    package.unlink()
    run("tar", "-xf", f"{PACKAGE}.tar.xz", cwd=scratch)
    return scratch / PACKAGE


def change(tree: Path) -> None:
    """Have rfc.c called.

    :raise FetchError: the file is not the one that CHANGES was written for.
    """
    shutil.copy(HERE / "rfc.c", (tree / ENLIGHTEN).parent)
    text = (tree / ENLIGHTEN).read_text("utf-8")
    for pattern, replacement in CHANGES:
        text, count = re.subn(pattern, replacement, text, flags=re.MULTILINE)
        if count != 1:
            raise FetchError(f"{ENLIGHTEN}: {pattern} is there {count} times")
    (tree / ENLIGHTEN).write_text(text, "utf-8")


def make(tree: Path, *words: str) -> None:
    """Run the kernel's make; debug information then names the place where Debian's package has the source."""
    names = f"-ffile-prefix-map={tree}=/usr/src/{PACKAGE}"
    run("nice", "make", "-s", f"KCFLAGS={names}", f"KAFLAGS={names}", *words, cwd=tree)


def run(*call: str, cwd: Path) -> None:
    """Run a tool.

    :raise FetchError: in its own last words.
    """
    try:
        environment = {**os.environ, **NOBODY, "LC_ALL": "C"}
        done = subprocess.run(
            call, cwd=cwd, env=environment, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL
        )
    except FileNotFoundError as error:
        raise FetchError(f"{call[0]} is not installed") from error
    if done.returncode:
        raise FetchError(f"{' '.join(call[:3])}: {(done.stderr.strip().splitlines() or ['failed'])[-1]}")


if __name__ == "__main__":
    sys.exit(main())
