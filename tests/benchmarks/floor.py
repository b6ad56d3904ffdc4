"""The least that any tool must do to show a kernel's boot data: a yardstick for `dump --stage bootparams`.

    python tests/benchmarks/floor.py VMLINUX [e820]

It starts QEMU, asks its gdb stub directly, stops at the PVH entry, at xen_prepare_pvh and at its return, and reads
every structure once at each stop. With `e820` it goes on to the return from e820__memory_setup: a yardstick for `check
--watch 0`. It decodes and draws nothing beyond the pointers that it follows. It uses only the standard library and
nothing of pvhdbg.
"""

import mmap
import socket
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

KERNEL_MAP = 0xFFFFFFFF80000000
MAGIC = 0x336EC578
PT_NOTE, SHT_SYMTAB, PHYS32_ENTRY = 4, 2, 18
RBX, RSP = 1, 7
PIECE = 0x400
LATER = (b"start_kernel", b"e820__memory_setup", b"boot_params", b"e820_table")


class Stub:
    """QEMU's gdb stub."""

    def __init__(self, path: Path) -> None:
        self._stream = socket.socket(socket.AF_UNIX)
        self._stream.connect(str(path))
        self._received = b""

    def ask(self, packet: str) -> bytes:
        data = packet.encode()
        self._stream.sendall(b"$%s#%02x" % (data, sum(data) & 0xFF))
        while True:
            body, end, rest = self._received.partition(b"#")
            if end and len(rest) >= 2:
                self._received = rest[2:]
                return body.partition(b"$")[2]
            self._received += self._stream.recv(1 << 16)

    def read(self, paddr: int, size: int) -> bytes:
        pieces = range(paddr, paddr + size, PIECE)
        return b"".join(bytes.fromhex(self.ask(f"m{at:x},{min(PIECE, paddr + size - at):x}").decode()) for at in pieces)

    def run_to(self, *addresses: int) -> tuple[int, ...]:
        """Run to one of the addresses; return the general registers."""
        for address in addresses:
            self.ask(f"Z1,{address:x},1")
        self.ask("vCont;c")
        for address in addresses:
            self.ask(f"z1,{address:x},1")
        return struct.unpack_from("<16Q", bytes.fromhex(self.ask("g").decode()))


def entry_of(elf: mmap.mmap) -> int:
    """Return the address in the PHYS32_ENTRY note of a 64-bit ELF file."""
    (table,), (count,) = struct.unpack_from("<Q", elf, 0x20), struct.unpack_from("<H", elf, 0x38)
    for header in range(table, table + 56 * count, 56):
        kind, _, at, _, _, size = struct.unpack_from("<IIQQQQ", elf, header)
        end = at + size
        while kind == PT_NOTE and at < end:
            name_size, size, number = struct.unpack_from("<III", elf, at)
            desc = at + 12 + -(-name_size // 4) * 4
            if number == PHYS32_ENTRY and elf[at + 12 : at + 16] == b"Xen\0":
                return int.from_bytes(elf[desc : desc + size], "little")
            at = desc + -(-size // 4) * 4
    raise SystemExit("no PHYS32_ENTRY note")


def addresses_of(elf: mmap.mmap, *names: bytes) -> list[int]:
    """Return the addresses of symbols of a 64-bit ELF file, without reading the whole table in Python."""
    (table,), (count,) = struct.unpack_from("<Q", elf, 0x28), struct.unpack_from("<H", elf, 0x3C)
    sections = [struct.unpack_from("<IIQQQQII", elf, table + 64 * index) for index in range(count)]
    symbols = next(section for section in sections if section[1] == SHT_SYMTAB)
    return [_address(elf, symbols, sections[symbols[6]], name) for name in names]


def _address(elf: mmap.mmap, symbols: tuple[int, ...], strings: tuple[int, ...], name: bytes) -> int:
    """Search for the whole name first. Linkers may store a name as the tail of a longer name: then there are more."""
    for skipped, text in ((1, b"\0" + name + b"\0"), (0, name + b"\0")):
        found = elf.find(text, strings[4], strings[4] + strings[5])
        while found >= 0:
            address = _value(elf, symbols, struct.pack("<I", found + skipped - strings[4]))
            if address is not None:
                return address
            found = elf.find(text, found + 1, strings[4] + strings[5])
    raise SystemExit(f"no symbol {name.decode()}")


def _value(elf: mmap.mmap, symbols: tuple[int, ...], key: bytes) -> int | None:
    """Return the value of the symbol whose name has this offset; None if there is none."""
    first, size = symbols[4], symbols[5]
    at = elf.find(key, first, first + size)
    while at >= 0 and (at - first) % 24:
        at = elf.find(key, at + 1, first + size)
    return int(struct.unpack_from("<Q", elf, at + 8)[0]) if at >= 0 else None


def visit(stub: Stub, entry: int, prepare: int, bootparams: int, later: list[int]) -> int:
    """Stop at the places and read every structure there. Return the number of e820 entries in pvh_bootparams.

    `later` is empty, or has the addresses of LATER.
    """
    stub.ask("qSupported")
    stub.ask("Qqemu.PhyMemMode:1")
    registers = stub.run_to(entry)
    magic, _, _, _, _, cmdline, _, memmap, entries, _ = struct.unpack("<IIIIQQQQII", stub.read(registers[RBX], 56))
    if magic != MAGIC:
        raise SystemExit("no hvm_start_info at EBX")
    for place in ((), (prepare, prepare - KERNEL_MAP)):
        registers = stub.run_to(*place) if place else registers
        stub.read(cmdline, 256)
        stub.read(memmap, 24 * entries)
    stub.read(bootparams - KERNEL_MAP, 4096)
    (returns_to,) = struct.unpack("<Q", stub.read(registers[RSP] & 0x7FFFFFFF, 8))
    stub.run_to(returns_to)
    entries = stub.read(bootparams - KERNEL_MAP, 4096)[0x1E8]
    if later:
        start_kernel, memory_setup, boot_params, e820_table = later
        (table,) = struct.unpack("<Q", stub.read(e820_table - KERNEL_MAP, 8))
        stub.run_to(start_kernel)
        stub.read(boot_params - KERNEL_MAP, 4096)
        registers = stub.run_to(memory_setup)
        (returns_to,) = struct.unpack("<Q", stub.read(registers[RSP] - KERNEL_MAP, 8))
        stub.run_to(returns_to)
        stub.read(table - KERNEL_MAP, 4 + 20 * entries)
    return entries


@contextmanager
def booting(vmlinux: str, *more: str) -> Iterator[Path]:
    """Run QEMU during the block, with its CPU stopped and more options. Return the path of its stub's socket."""
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listener:
        path = Path(folder, "gdb")
        listener.bind(str(path))
        listener.listen(1)
        stub = f"socket,id=stub,fd={listener.fileno()},server=on,wait=off"
        call = ["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-machine", "microvm"]
        call += ["-accel", "tcg", "-cpu", "max", "-m", "512M", "-kernel", vmlinux, "-append", "console=ttyS0"]
        call += ["-S", "-no-reboot", "-no-shutdown", "-chardev", stub, "-gdb", "chardev:stub", *more]
        qemu = subprocess.Popen(call, pass_fds=[listener.fileno()], stderr=subprocess.DEVNULL)
        try:
            yield path
        finally:
            qemu.kill()
            qemu.wait()


def main() -> None:
    vmlinux = sys.argv[1]
    with booting(vmlinux) as stub:
        with Path(vmlinux).open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as elf:
            entry = entry_of(elf)
            prepare, bootparams = addresses_of(elf, b"xen_prepare_pvh", b"pvh_bootparams")
            later = addresses_of(elf, *LATER) if sys.argv[2:] == ["e820"] else []
        print(visit(Stub(stub), entry, prepare, bootparams, later), "e820 entries in pvh_bootparams")


if __name__ == "__main__":
    main()
