"""Where pointers lead, on a boot made by the tests and on recordings of real ones."""

from __future__ import annotations

import pytest

from pvhdbg.abi import ramdisk
from pvhdbg.boot.record.document import Document
from pvhdbg.boot.record.replay import load
from pvhdbg.boot.stop.capture import Capture
from pvhdbg.views.rows import pointer_chain
from pvhdbg.views.rows.cpu_rows import cpu_rows
from tests import build
from tests.paths import RECORDINGS_DIR

LINUX = load(RECORDINGS_DIR / "linux-6.1-microvm-initrd.json")
RFC = load(RECORDINGS_DIR / "teaching-guest-rfc.json")


def from_start_info(capture: Capture) -> list[str]:
    info = capture.effective_start_info
    assert info is not None
    return pointer_chain.chains(capture, info.at)


def test_ebx_leads_to_the_ramdisk_at_every_level() -> None:
    entry = LINUX.stops[0]
    rbx = next(row for row in cpu_rows(entry) if row.name == "rbx")

    assert [
        "start_info → modlist_paddr 0x7b7c → modules[0].paddr 0x1ffff000 → the ramdisk, 2.9 KiB",
        'start_info → cmdline_paddr 0xefc60 → "console=ttyS0 pvhdbg=recorded"',
        "start_info → memmap_paddr 0xefbd0 → memory map, 6 entries, 511.6 MiB of RAM",
        "start_info → rsdp_paddr 0xf34d0 → ACPI RSDP",
    ] == pointer_chain.chains(entry, rbx.leads_to)


def test_each_module_is_followed_and_its_first_bytes_are_described() -> None:
    chains = from_start_info(RFC.stops[0])

    assert "start_info → modlist_paddr 0x10090 → modules[0].paddr 0x1ffff000 → the ramdisk, 2.9 KiB, zeros" in chains
    assert any("modules[1].paddr 0x10000 → memory map, 6 entries" in chain for chain in chains)
    assert 'start_info → modlist_paddr 0x10090 → modules[1].cmdline_paddr 0x10080 → "e820 data"' in chains


def test_a_pointer_that_cannot_be_followed_says_why() -> None:
    guest = build.linux_guest()
    guest.put(build.START_INFO, build.start_info(nr_modules=1, modlist_paddr=0x7F000000))
    capture = guest.at("entry")

    assert [f"start_info → modlist_paddr 0x7f000000 → {capture.missing['modules']}"] == from_start_info(capture)


def test_a_register_that_points_to_boot_data_says_so() -> None:
    entry, *_, bootparams, _, _ = build.boot().stops
    registers = {**entry.registers, "rsi": build.CMDLINE, "rdi": build.CMDLINE + 1}
    rows = {row.name: row for row in cpu_rows(entry._replace(registers=registers))}

    assert (build.CMDLINE, None) == (rows["rsi"].leads_to, rows["rdi"].leads_to)
    assert rows["rsi"].meaning.startswith('address of "')
    assert bootparams.boot_params is not None
    assert (
        "pvh_bootparams → hdr.ramdisk_image 0x1fddf000 → the ramdisk, 130.6 KiB"
        == pointer_chain.chains(bootparams, bootparams.boot_params.at)[0]
    )


def test_pointers_in_a_circle_and_unknown_addresses_end() -> None:
    guest = build.linux_guest()
    guest.put(build.START_INFO, build.start_info(nr_modules=1, modlist_paddr=build.START_INFO))

    assert from_start_info(guest.at("entry"))
    assert [] == pointer_chain.chains(LINUX.stops[0], 0x12345)


@pytest.mark.parametrize("document", [LINUX, RFC])
def test_the_path_of_a_place_is_the_path_of_a_row(document: Document) -> None:
    for capture in document.stops:
        for place in pointer_chain.places(capture).values():
            assert getattr(capture, place.path.partition(".")[0].partition("[")[0] or "memory") is not None


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"070701000", "a cpio archive"),
        (bytes(512) + b"070701", "a cpio archive"),
        (b"\x1f\x8b\x08", "compressed with gzip"),
        (b"\x28\xb5\x2f\xfd", "compressed with zstd"),
        (b"hsqs", "a file system, squashfs"),
        (b"\x7fELF", "an ELF file"),
        (b"hello world", "a text file"),
        (b"\x90\x91", "in an unknown format"),
        (bytes(64), "zeros"),
    ],
)
def test_the_kind_of_a_module_follows_from_its_first_bytes(head: bytes, kind: str) -> None:
    assert kind == ramdisk.kind(head)
    assert ramdisk.defect(head) in (None, kind)
