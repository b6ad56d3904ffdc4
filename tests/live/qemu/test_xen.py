"""What is read from Xen's console, which the guest can write to as well."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from pvhdbg.errors import UserError
from pvhdbg.live.qemu import xen
from pvhdbg.target.base import DOMAIN_CRASH, TRIPLE_FAULT

# The format is that of show_registers in Xen's xen/arch/x86/x86_64/traps.c.
DUMP = b"""(XEN) d0v0 Triple fault - invoking HVM shutdown action 1
(XEN) *** Dumping Dom0 vcpu#0 state: ***
(XEN) CPU:    0
(XEN) RIP:    0010:[<ffffffff810005ae>]
(XEN) RFLAGS: 0000000000010046   CONTEXT: hvm guest (d0v0)
(XEN) rax: 0000000000000001   rbx: 0000000001016020   rcx: 00000000c0000080
(XEN) fsb: 0000000000000010   gsb: 0000000000000020   gss: 0000000000000030
(XEN) ds: 0018   es: 0018   fs: 0000   gs: 0000   ss: 0018   cs: 0010
"""


def test_the_reason_and_the_registers_of_a_triple_fault() -> None:
    report = xen.report(DUMP)

    assert report is not None
    assert TRIPLE_FAULT == report.how
    assert "d0v0 Triple fault - invoking HVM shutdown action 1" == report.reason
    assert (1, 0x1016020, 0x10, 0x18) == tuple(report.registers[name] for name in ("rax", "rbx", "fs_base", "ds"))


@pytest.mark.parametrize(
    "line",
    [
        b"Domain 0 (vcpu#0) crashed on cpu#0:",
        b"Hardware Dom0 crashed: 'noreboot' set - not rebooting.",
        b"Hardware Dom0 halted: halting machine",
    ],
)
def test_other_ends_of_dom0_are_crashes(line: bytes) -> None:
    report = xen.report(b"(XEN) Freed 656kB init memory\r\n(XEN) " + line + b"\r\n")

    assert report is not None
    assert (DOMAIN_CRASH, {}) == (report.how, dict(report.registers))
    assert line.decode().rstrip(":") == report.reason


@pytest.mark.parametrize(
    "console",
    [
        b"",
        b"(XEN) Xen version 4.17.7",
        b"(XEN) d1v0 Triple fault - invoking HVM shutdown action 1\n",  # a domU's
        b"(XEN) Domain 3 (vcpu#0) crashed on cpu#0:\n",
        b"[    0.0] (XEN) d0v0 Triple fault\n",  # printed by a guest, within a line
    ],
)
def test_other_lines_are_not_the_end_of_dom0(console: bytes) -> None:
    assert xen.report(console) is None


def test_hostile_text_has_no_escape_sequence_and_a_bounded_length() -> None:
    report = xen.report(
        b"(XEN) d0v0 Triple fault" + b"\x1b[31m\xff" * 1000 + b"\n(XEN) RIP: " + b"rax: zz rbx: 1" * 1000
    )

    assert report is not None
    assert len(report.reason) < 200
    assert {} == dict(report.registers)


def test_damaged_reports_are_read_without_an_exception() -> None:
    source = random.Random(1)
    for _ in range(2000):
        text = bytearray(DUMP)
        for _ in range(source.randrange(1, 40)):
            text[source.randrange(len(text))] = source.randrange(256)
        report = xen.report(bytes(text[: source.randrange(len(text))]))
        assert report is None or all(value < 1 << 64 for value in report.registers.values())


def test_the_version_is_printable_and_short() -> None:
    assert "4.17.7" == xen.version(b"(XEN) Xen version 4.17.7 (Debian) (pkg)\n")
    assert len(xen.version(b"(XEN) Xen version 4" + b"9" * 10_000)) <= 41
    assert "" == xen.version(b"(XEN) Xen version \x1b[31m")


def test_the_newest_image_is_found_by_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for version in ("4.9", "4.20", "4.17"):
        folder = tmp_path / "pvhdbg" / "kernels" / f"xen-hypervisor-{version}-amd64_{version}.1"
        folder.mkdir(parents=True)
        (folder / f"xen-{version}-amd64.gz").write_bytes(b"")
    if any(Path("/boot").glob("xen-4*.gz")):
        pytest.skip("this computer has a Xen in /boot, which comes first")

    assert "xen-4.20-amd64.gz" == xen.find_image(None).name


def test_a_path_that_qemu_would_split_is_refused_or_quoted() -> None:
    image = xen.XenImage("xen.gz", "xen")

    assert "/a,,b console=hvc0,,x,/c" in xen.arguments(image, "/a,b", "/c", "console=hvc0,x")
    with pytest.raises(UserError, match="its path has a space"):
        xen.arguments(image, "/a b", None, "")
