"""Record the boot of a domU that libxl starts: `python -m tests.recordings.libxl_domu FILE KERNEL [VMLINUX]`.

KERNEL is the domU's kernel, VMLINUX the same kernel with symbols. A real Xen runs in QEMU. Its dom0 is Debian's Linux
6.1 with an initramfs of Debian's busybox, xl, xenstored and xenconsoled; `xl create` starts the domU. The packages
(110 MB) are downloaded and unpacked in a temporary folder; nothing is installed. It takes one or two minutes.
"""

from __future__ import annotations

import gzip
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile

from pvhdbg.live.qemu import xen
from tests import cpio, kernels
from tests.kernels.apt import QUIET
from tests.live.foreign import Foreign

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PACKAGES = (
    *("linux-image-6.1.0-57-amd64", "busybox-static", "xen-utils-4.17", "xenstore-utils", "libxenmisc4.17"),
    *("libxencall1", "libxenevtchn1", "libxenforeignmemory1", "libxengnttab1", "libxenstore4", "libxentoollog1"),
    *("libxentoolcore1", "libxendevicemodel1", "libxenhypfs1", "libyajl2", "libc6", "zlib1g", "libzstd1"),
    *("liblzma5", "libuuid1", "libext2fs2", "libcom-err2", "libnl-3-200", "libnl-route-3-200", "libgcc-s1"),
)
MODULES = ("xen-privcmd", "xenfs", "xen-evtchn", "xen-gntdev", "xen-gntalloc")
PROGRAMS = ("xl", "xenstored", "xenconsoled", "xen-init-dom0")
DOM0 = "console=hvc0 earlyprintk=xen nokaslr quiet"

INIT = f"""#!/bin/busybox sh
/bin/busybox --install -s /bin
mkdir -p /proc /sys /dev /tmp /run/xen /run/xenstored /run/lock /var/lib/xenstored /var/lib/xen /var/log/xen
mkdir -p /etc/xen && ln -s /run /var/run && ln -s /run/lock /var/lock
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs dev /dev
mkdir -p /dev/pts && mount -t devpts pts /dev/pts
for module in {" ".join(MODULES)}; do insmod /modules/$module.ko; done
mount -t xenfs xenfs /proc/xen
echo autoballoon=0 > /etc/xen/xl.conf
xenstored --pid-file /run/xenstored.pid
xen-init-dom0
xenconsoled --pid-file=/run/xenconsoled.pid
xl -v create /domu.cfg
echo domu: $?
while sleep 1; do :; done
"""
DOMU = """
name = "domu"
type = "pvh"
kernel = "/domu"
cmdline = "console=hvc0 earlyprintk=xen nokaslr"
memory = 128
vcpus = 1
on_crash = "destroy"
"""


def unpack(folder: Path) -> Path:
    """Download the packages, and unpack them into one folder."""
    subprocess.run(["apt-get", *QUIET, "download", *PACKAGES], check=True, cwd=folder)
    for package in folder.glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", str(package), str(folder / "root")], check=True)
    return folder / "root"


def _find(root: Path, name: str) -> Path:
    return next(path for path in sorted(root.rglob(name), key=lambda path: len(path.parts)) if path.is_file())


def _program(root: Path, name: str) -> Path:
    """Return a program; /usr/sbin has shell scripts with the same names."""
    return _find(next(root.glob("usr/lib/xen-4*/bin")), name)


def _libraries(root: Path, program: Path) -> set[str]:
    """Return the names of the shared libraries that a program needs, also those that its libraries need."""
    found: set[str] = set()
    files = [program]
    while files:
        with files.pop().open("rb") as file:
            dynamic = ELFFile(file).get_section_by_name(".dynamic")
            assert isinstance(dynamic, DynamicSection)
            needed = {str(vars(tag)["needed"]) for tag in dynamic.iter_tags("DT_NEEDED")} - found
        found |= needed
        files += [_find(root, name) for name in needed]
    return found


def initramfs(root: Path, domu: Path) -> bytes:
    """Return dom0's initramfs, which starts `domu`, a kernel."""
    files = [("bin/busybox", _find(root, "busybox"))]
    files += [(f"bin/{name}", _program(root, name)) for name in PROGRAMS]
    libraries = {"libgcc_s.so.1"}.union(*(_libraries(root, path) for _, path in files[1:]))
    files += [(f"lib/{name}", _find(root, name)) for name in sorted(libraries)]
    files += [("lib64/ld-linux-x86-64.so.2", _find(root, "ld-linux-x86-64.so.2"))]
    files += [(f"modules/{name}.ko", _find(root, f"{name}.ko")) for name in MODULES]
    contents = [(name, path.read_bytes()) for name, path in files]
    contents += [("init", INIT.encode()), ("domu.cfg", DOMU.encode()), ("domu", domu.read_bytes())]
    folders = ("bin", "lib", "lib64", "modules", "dev")
    return gzip.compress(cpio.archive(contents, folders), 1)


@contextmanager
def booting(root: Path, domu: Path, folder: Path) -> Iterator[Foreign]:
    """Start QEMU, which stays at its reset vector. Its console is in the file `console` of the folder."""
    (folder / "initramfs").write_bytes(initramfs(root, domu))
    (folder / "xen").write_bytes(gzip.decompress(kernels.xen_hypervisor().read_bytes()))
    image = xen.XenImage("xen", str(folder / "xen"))
    arguments = xen.arguments(image, str(_find(root, "vmlinuz-*")), str(folder / "initramfs"), DOM0)
    machine = ("-M", xen.MACHINE, "-cpu", xen.CPU, "-m", xen.DEFAULT_MEMORY, "-net", "none", "-accel", "tcg")
    qemu = Foreign(folder, *machine, *arguments, "-serial", f"file:{folder}/console", "-no-reboot", "-S")
    try:
        yield qemu
    finally:
        qemu.process.kill()
        qemu.process.wait()


def main(words: Sequence[str]) -> int:
    output, domu, symbols = Path(words[0]).resolve(), Path(words[1]), Path(words[-1])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with booting(unpack(folder), domu, folder) as qemu:
            qemu.status()
            call = [sys.executable, "-m", "pvhdbg", "attach", str(qemu.stub), symbols.name, "--timeout", "600"]
            done = subprocess.run([*call, "-c", "run-to e820", "-c", f"dump {output}"], check=False, cwd=symbols.parent)
            if done.returncode:
                sys.stderr.write((folder / "console").read_text("utf-8", "replace")[-4000:])
    return done.returncode


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
