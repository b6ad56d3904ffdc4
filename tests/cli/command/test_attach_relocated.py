"""`pvhdbg attach` to a kernel that KASLR has moved, compared with the kernel's own log, gdb and QEMU's monitor."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.cli.shell import pvhdbg, wait_for
from tests.in_gdb import stock
from tests.kernels import MissingError, vmlinuz

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cli.shell import Run

Q35 = ("-machine", "q35", "-accel", "tcg", "-cpu", "max", "-no-shutdown", "-append", "console=ttyS1")
OFFSET = re.compile(r"Kernel Offset: (0x[0-9a-f]+) from (0x[0-9a-f]+)")
NOTE = re.compile(r"relocated \(KASLR\): by (0x[0-9a-f]+) in physical and by (0x[0-9a-f]+) in virtual memory")


class Relocated(NamedTuple):
    """A kernel that was relocated, and has panicked. `offset` and `base` are from its log, the base is linked."""

    machine: stock.Machine
    kernel: Path
    folder: Path
    offset: int
    base: int

    def attach(self, *lines: str) -> Run:
        return pvhdbg("attach", self.machine.where, self.kernel, *(word for line in lines for word in ("-c", line)))

    def gdb(self, *lines: str) -> list[str]:
        """Return what stock gdb answers, without symbols."""
        return stock.gdb(self.folder, f"target remote {self.machine.where}", *lines).texts[1:]


@pytest.fixture(scope="module")
def relocated(vmlinux_61: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relocated]:
    """Debian's 6.1 kernel, booted from its bzImage by SeaBIOS. It panics without a root file system."""
    folder = tmp_path_factory.mktemp("relocated")
    try:
        bzimage = vmlinuz("6.1-cloud")
    except MissingError as error:
        pytest.skip(str(error))
    with stock.qemu(folder, bzimage, *Q35, "-serial", f"file:{folder / 'log'}") as machine:
        stock.gdb(folder, f"target remote {machine.where}", "detach")
        match = wait_for(lambda: OFFSET.search((folder / "log").read_text("latin-1")))
        yield Relocated(machine, vmlinux_61, folder, int(match[1], 16), int(match[2], 16))


FIELDS = ("e820_entries", "hdr.version", "hdr.cmd_line_ptr")


class ByGdb(NamedTuple):
    """What stock gdb says about the kernel: fields of boot_params, the addresses in e820_table, and panic."""

    fields: list[int]
    addresses: list[int]
    panic: str


@pytest.fixture(scope="module")
def by_gdb(relocated: Relocated) -> ByGdb:
    """Ask stock gdb, with the symbols at the offset in the log. It needs seconds to load them."""
    symbols = f"symbol-file -o {relocated.offset:#x} {relocated.kernel}"
    lines = (*(f"p/x boot_params.{name}" for name in FIELDS), "p/x &panic")
    table = "p/x e820_table->entries[0]@e820_table->nr_entries"
    *fields, panic, entries = relocated.gdb(symbols, *lines, table)[1:]
    addresses = [int(address, 16) for address in re.findall(r"\baddr = (0x[0-9a-f]+)", entries)]
    return ByGdb([int(text.split()[-1], 0) for text in fields], addresses, panic.split()[-1])


def test_the_offset_of_a_relocated_kernel_is_the_one_that_its_panic_prints(relocated: Relocated) -> None:
    done = relocated.attach()
    found = NOTE.search(done.err)

    assert found is not None
    assert (0, relocated.offset) == (done.status, int(found[2], 16))
    assert "nokaslr" in done.err


def test_the_physical_place_of_a_relocated_kernel_is_the_one_that_qemu_translates_to(relocated: Relocated) -> None:
    found = NOTE.search(relocated.attach().err)
    command = f"monitor gva2gpa {relocated.base + relocated.offset:#x}"
    # The page tables of a process may map little of the kernel.
    translated = wait_for(lambda: next((line for line in relocated.gdb(command) if "Unmapped" not in line), None))

    assert found is not None
    # Linux is linked at 0xffffffff81000000 and loaded at 0x1000000.
    assert f"gpa: {(relocated.base & 0x7FFFFFFF) + int(found[1], 16):#x}" == translated.strip()


def test_a_relocated_kernels_boot_params_are_what_gdb_says(relocated: Relocated, by_gdb: ByGdb) -> None:
    done = relocated.attach("bootparams e820_entries hdr.version hdr.cmd_line_ptr")
    shown = dict(re.findall(r"\b(e820_entries|hdr\.version|hdr\.cmd_line_ptr) +(0x[0-9a-f]+|[0-9]+)\b", done.out))

    assert by_gdb.fields == [int(shown[name], 0) for name in FIELDS]


def test_a_relocated_kernels_e820_table_is_what_gdb_says(relocated: Relocated, by_gdb: ByGdb) -> None:
    done = relocated.attach("e820")
    shown = re.findall(r"^ +\[[0-9]+\] +(0x[0-9a-f]+)-", done.out, re.MULTILINE)

    assert len(by_gdb.addresses) > 1
    assert by_gdb.addresses == [int(start, 16) for start in shown]


def test_the_code_of_a_relocated_kernels_function_is_what_gdb_says(relocated: Relocated, by_gdb: ByGdb) -> None:
    done = relocated.attach("code panic")

    assert done.out.startswith(f"{by_gdb.panic}:")


def test_stock_gdb_with_the_symbols_at_their_link_addresses_finds_the_same_place(relocated: Relocated) -> None:
    output = stock.pvh(relocated.folder, relocated.machine, "pvh info", symbols=relocated.kernel)
    found = NOTE.search(output.last)

    assert found is not None
    assert relocated.offset == int(found[2], 16)
    assert re.search(r"^  boot_params +0x[0-9a-f]+ ", output.last, re.MULTILINE)


def test_the_panic_of_a_relocated_kernel_is_found_in_its_log(relocated: Relocated) -> None:
    done, listed = relocated.attach(), relocated.attach("check")

    assert "i PVH913  no root file system or no init: the kernel panicked: VFS" in listed.out
    assert (0, True) == (done.status, "done: reached e820; the kernel panicked; findings: " in done.out)
    assert "i PVH913  no root file system or no init: the kernel panicked: VFS: Unable to mount root fs" in done.out


def test_stock_gdb_finds_the_panic_that_attach_finds_in_the_same_words(relocated: Relocated) -> None:
    in_gdb = stock.pvh(relocated.folder, relocated.machine, "pvh check", symbols=relocated.kernel).last
    done = relocated.attach("check")

    assert 1 == in_gdb.count("PVH913")
    assert (
        in_gdb.split("PVH913")[1].split("\n  i ")[0].strip() == done.out.split("PVH913")[1].split("\n  i ")[0].strip()
    )
