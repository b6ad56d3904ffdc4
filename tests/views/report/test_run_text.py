"""The text of a run, for boots built in memory and for every recording."""

import re
from pathlib import Path

import pytest

from pvhdbg.boot.record.document import DEAD, INTERRUPTED, TIMED_OUT, Death, Document, Outcome, Rewrite, Watched
from pvhdbg.boot.record.replay import load
from pvhdbg.boot.stop import stages
from pvhdbg.boot.stop.capture import Capture
from pvhdbg.boot.stop.stop import Stop
from pvhdbg.target.base import NO_MONITOR
from pvhdbg.views.report import run_text
from tests import build
from tests.paths import RECORDINGS

NON_ASCII_SIGNS = "█▒·…"


def stop(stage: str, document: Document | None = None) -> list[str]:
    """Return the lines about one stage in a document's text."""
    text = run_text.document(document or build.boot())
    return next(block for block in text.split("\n\n") if block.startswith(f"{stage}:")).splitlines()


def entry_text(guest: build.Guest) -> str:
    return run_text.one_stop(Stop(guest.at("entry"), (), guest.image))


def boot_with_changed_copy(change: bytes, offset: int) -> Document:
    """Return a boot of two stops in which pvh_start_info differs from start_info."""
    guest = build.linux_guest()
    first = guest.at("entry")
    build.page_tables(guest)
    guest.symbols = {"pvh_start_info": build.KERNEL_MAP + build.VARIABLES["pvh_start_info"]}
    guest.put(build.VARIABLES["pvh_start_info"], guest.memory.get(build.START_INFO, 56))
    guest.put(build.VARIABLES["pvh_start_info"] + offset, change)
    return build.boot()._replace(stops=(first, guest.at("prepare", build.START_INFO)))


def test_the_header_names_the_kernel_and_the_machine() -> None:
    header = run_text.document(build.boot()).split("\n\n")[0]

    expected = """\
/boot/vmlinux-6.1.0-56-cloud-amd64
  Linux 6.1.0-56-cloud-amd64, vmlinux, 64-bit ELF, entry 0x1000850, build-id 8f3c6d2e51aa…
  QEMU 7.2.22, microvm, tcg, max, 512M
  -append "console=ttyS0 earlyprintk=ttyS0"
  -initrd /tmp/initrd.gz"""

    assert expected == header


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_the_text_of_a_recording_is_unchanged(path: Path) -> None:
    assert path.with_suffix(".txt").read_text("utf-8") == run_text.document(load(path))


def test_the_entry_shows_everything_that_the_vmm_passed() -> None:
    lines = stop("entry")

    expected = """\
entry: the first instruction at the PHYS32_ENTRY address
  rip 0x1000850, physical; 32-bit protected mode, paging off
  struct hvm_start_info at 0xf31e0
    +0x00  magic           0x336ec578  correct
    +0x04  version         1           has a memory map
    +0x08  flags           0x0         none set
    +0x0c  nr_modules      1           the ramdisk
    +0x10  modlist_paddr   0x7b7c      1 module, 130.6 KiB
    +0x18  cmdline_paddr   0xefcb0     "console=ttyS0 earlyprintk=ttyS0"
    +0x20  rsdp_paddr      0x0         no RSDP
    +0x28  memmap_paddr    0xefc20     6 entries, 511.6 MiB of RAM
    +0x30  memmap_entries  6
    +0x34  reserved        0x0
  struct hvm_modlist_entry[1] at 0x7b7c
    [0]  0x1fddf000-0x1fdffabc  130.6 KiB  the ramdisk  no cmdline
  memory map (memmap) at 0xefc20: 6 entries, 511.6 MiB of RAM
    [0]  0xd0000-0xf0000      128 KiB  NVS          192 KiB gap before
    [1]  0x0-0x9fc00          639 KiB  RAM
    [2]  0x9fc00-0xa0000        1 KiB  RESERVED
    [3]  0xf0000-0x100000      64 KiB  RESERVED
    [4]  0x100000-0x20000000  511 MiB  RAM
    [5]  0x0-0x0                    0  unknown (0)"""

    assert expected.splitlines() == lines[: len(expected.splitlines())]
    assert any("k kernel" in line for line in lines)


def test_an_identical_copy_is_one_line() -> None:
    assert ["  pvh_start_info at 0x310d2e0: identical to start_info"] == stop("prepare")[2:]


def test_fields_of_the_copy_that_differ_are_marked() -> None:
    lines = stop("prepare", boot_with_changed_copy(b"\2", 4))
    changed = "    *  +0x04  version         2           unknown version: newer than 1"

    assert "  pvh_start_info at 0x310d2e0 (* differs from start_info)" == lines[2]
    assert [changed] == [line for line in lines if line.startswith("    *")]


def test_only_the_nonzero_fields_of_boot_params_are_listed() -> None:
    lines = stop("bootparams")

    expected = """\
  struct boot_params pvh_bootparams at 0x310d320
    +0x1e8  e820_entries        7           at most 128
    +0x206  hdr.version         0x20c       2.12
    +0x210  hdr.type_of_loader  0xb0        QEMU, version 0
    +0x218  hdr.ramdisk_image   0x1fddf000  the ramdisk, module 0
    +0x21c  hdr.ramdisk_size    133820      130.6 KiB
    +0x228  hdr.cmd_line_ptr    0xefcb0     "console=ttyS0 earlyprintk=ttyS0"
    all other fields (except e820_table) are 0"""

    assert expected.splitlines() == lines[2:10]
    assert "    +  0xa0000-0x100000     384 KiB  RESERVED" == lines[-1]


def test_boot_params_is_compared_with_its_original() -> None:
    assert ["  boot_params at 0x32ba460: identical to pvh_bootparams"] == stop("kernel")[2:]


def test_fields_of_boot_params_that_changed_are_shown_with_both_values() -> None:
    document = build.boot()
    kernel = document.stops[3]
    assert kernel.kernel_boot_params is not None
    changed = type(kernel.kernel_boot_params)(
        kernel.kernel_boot_params.raw[:0x211] + b"\x02" + kernel.kernel_boot_params.raw[0x212:], 0x32BA460
    )
    stops = (*document.stops[:3], kernel._replace(kernel_boot_params=changed), *document.stops[4:])

    assert [
        "  boot_params at 0x32ba460: differs from pvh_bootparams",
        "    +0x211  hdr.loadflags  0x0 -> 0x2  KASLR_FLAG",
        "  ! PVH412  hdr.loadflags is 0x2 in boot_params, but 0x0 in pvh_bootparams: one of them was",
        "            overwritten. Compare them with `diff bootparams`.",
    ] == stop("kernel", document._replace(stops=stops))[2:]


def test_the_kernels_e820_table_is_compared_with_the_memory_map() -> None:
    lines = stop("e820")

    expected = """\
    -  0x0-0x0                    0  unknown (0)
    =  0x0-0x9fc00          639 KiB  RAM
    -  0x9fc00-0xa0000        1 KiB  RESERVED
    +  0x9fc00-0xd0000      193 KiB  RESERVED
    =  0xd0000-0xf0000      128 KiB  NVS
    =  0xf0000-0x100000      64 KiB  RESERVED
    =  0x100000-0x20000000  511 MiB  RAM"""

    assert expected.splitlines() == lines[3:]


def test_a_late_stop_without_earlier_stops_is_shown_in_full() -> None:
    alone = run_text.one_stop(Stop(build.boot().stops[-1], (), build.linux()))

    assert "hdr.type_of_loader" in alone
    assert "identical to" not in alone
    assert "compared with" not in alone


@pytest.mark.parametrize(
    ("stage", "expected"),
    [
        (
            "entry",
            [
                "start_info: missing, not captured: 40 bytes at 0x80000000",
                "modules: missing, start_info is missing",
                "memory map: missing, start_info is missing",
            ],
        ),
        (
            "bootparams",
            [
                "start_info: missing, EBX at the entry was not captured",
                "pvh_start_info: missing, no symbol pvh_start_info",
                "modules: missing, start_info is missing",
                "memory map: missing, start_info is missing",
                "pvh_bootparams: missing, no symbol pvh_bootparams",
            ],
        ),
        ("e820", ["boot_params: missing, no symbol boot_params", "e820_table: missing, no symbol e820_table"]),
    ],
)
def test_every_structure_that_is_missing_has_a_reason(stage: str, expected: list[str]) -> None:
    guest = build.linux_guest()
    guest.registers["rbx"] = 0x80000000
    lines = run_text.one_stop(Stop(guest.at(stage), (), guest.image)).splitlines()

    assert expected == [line.removeprefix("  ") for line in lines[2:]]


def test_the_reason_for_an_unreadable_module_list_is_shown_once() -> None:
    guest = build.linux_guest()
    guest.put(build.START_INFO, build.start_info(nr_modules=1, modlist_paddr=1 << 40))

    assert 1 == entry_text(guest).count("not captured: 32 bytes at 0x10000000000")


def test_the_missing_monitor_is_reported_once_for_all_registers_and_stops() -> None:
    guest = build.linux_guest()
    guest.without_monitor()
    stops = (guest.at("entry"), guest.at("prepare", build.START_INFO))
    whole = run_text.document(build.boot()._replace(stops=stops))

    assert 1 == whole.count(NO_MONITOR)
    assert "missing: cs.base, cs.limit, cs.flags and" in whole


def test_a_missing_copy_has_a_reason() -> None:
    document = build.boot()
    guest = build.linux_guest()

    assert "  pvh_start_info: missing, no symbol pvh_start_info" in stop(
        "prepare", document._replace(stops=(guest.at("prepare"),))
    )


def test_a_long_command_line_is_wrapped_on_its_own_lines() -> None:
    guest = build.linux_guest()
    guest.put(build.START_INFO, build.start_info(cmdline_paddr=0x8000))
    guest.put(0x8000, b"quiet " * 20 + b"\x1b[31m" + b"x" * 3000 + b"\0")
    written = entry_text(guest)

    assert "  command line at 0x8000, 3.0 KiB" in written
    assert "\\x1b[31mxxxx" in written
    assert "    … and 1.0 KiB more" in written


@pytest.mark.parametrize(("size", "rest"), [(2048, []), (2049, ["    … and 1 byte more"])])
def test_a_long_command_line_is_cut_after_2048_bytes(size: int, rest: list[str]) -> None:
    guest = build.linux_guest()
    guest.put(build.START_INFO, build.start_info(cmdline_paddr=0x8000))
    guest.put(0x8000, b"x" * size + b"\0")

    assert rest == [line for line in entry_text(guest).splitlines() if " more" in line]


def test_a_run_of_equal_map_entries_is_one_line() -> None:
    guest = build.linux_guest()
    guest.put(build.START_INFO, build.start_info(memmap_paddr=0x20000, memmap_entries=1000))
    guest.put(0x20000, build.memmap([(0, 0, 0)] * 1000))

    assert "    [0]-[999]  0x0-0x0  0  unknown (0)" in entry_text(guest).splitlines()


def test_a_long_table_is_cut_and_shows_how_many_lines_are_left() -> None:
    guest = build.linux_guest()
    guest.put(build.START_INFO, build.start_info(memmap_paddr=0x20000, memmap_entries=1000))
    guest.put(0x20000, build.memmap([(number << 12, 4096, 1) for number in range(1000)]))

    assert "    … and 840 more" in entry_text(guest).splitlines()


def test_a_machine_that_pvhdbg_did_not_start_has_no_qemu_version_command_line_or_initrd() -> None:
    document = Document(None, build.machine()._replace(qemu=None, append=None, initrd=None), (), Outcome(None, "done"))

    lines = run_text.document(document).splitlines()

    assert ["  microvm, tcg, max, 512M", "", "done: no stage reached; not watched after the start"] == lines


def test_the_header_lists_changed_bytes() -> None:
    rewrite = Rewrite("start_info.magic", 0x21E0, b"\x78\xc5\x6e\x33", b"\0\0\0\0")
    machine = build.machine()._replace(rewrites=(rewrite,) * 40)
    header = run_text.document(build.boot()._replace(machine=machine)).split("\n\n")[0]

    assert "pvhdbg changed start_info.magic at 0x21e0: 78 c5 6e 33 -> 00 00 00 00" in header
    assert "… and 8 more" in header


def died(rip: int | None = 0xFFFFFFFF8305A1FF) -> Document:
    document = build.boot()
    guest = build.linux_guest()
    build.page_tables(guest)
    guest.run_at(0xFFFFFFFF8305A1FF, "0f0b")
    death = Death("triple-fault", rip, "xen_prepare_pvh+0xa9" if rip else None, "gone\x1b[2J")
    return document._replace(stops=(guest.at("died"),), outcome=Outcome("prepare", DEAD, death))


def test_a_death_shows_the_registers_and_the_code_at_rip() -> None:
    _, where, *lines = stop("died", died())

    assert "  rip 0xffffffff8305a1ff, virtual, kernel mapping; 64-bit long mode, paging on (4 levels)" == where
    assert any(re.match(r" +cr0 +0x80000011 +PE \| ET \| PG", line) for line in lines)
    assert re.fullmatch(r"  code at rip: 0f 0b 00 00.*\(begins with ud2: a Linux BUG\)", lines[-1])


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (
            died().outcome,
            "died: triple fault at 0xffffffff8305a1ff xen_prepare_pvh+0xa9: gone\\x1b[2J; last stage reached: prepare",
        ),
        (died(None).outcome, "died: triple fault: gone\\x1b[2J; last stage reached: prepare"),
        (
            Outcome("entry", TIMED_OUT, None, "prepare", 0x1000, None),
            "timed out waiting for stage prepare, rip 0x1000; last stage reached: entry",
        ),
        (
            Outcome("entry", TIMED_OUT, None, "prepare", 0x1000, "f", Watched("halted", 0, 0x1000, "f")),
            "the guest halted at 0x1000 f, before stage prepare; last stage reached: entry",
        ),
        (Outcome("kernel", INTERRUPTED), "interrupted; last stage reached: kernel"),
        (Outcome("e820", "done"), "done: reached e820; not watched after e820"),
        (Outcome(None, "refused"), "refused: pvhdbg did not start this kernel"),
        (
            Outcome("e820", "done", watched=Watched("time", 5001, 0x1000, "default_idle+0x9")),
            "done: reached e820; watched for 5.0 s: still running at 0x1000 default_idle+0x9",
        ),
        (
            Outcome("e820", "done", watched=Watched("console", 31, 0x1000, "start_kernel+0x5be")),
            "done: reached e820; watched for 31 ms: the kernel started its console",
        ),
        (
            Outcome("e820", "done", watched=Watched("panicked", 900, None, None, "no init found")),
            "done: reached e820; watched for 900 ms: the kernel panicked",
        ),
    ],
)
def test_the_last_line_says_how_the_run_ended(outcome: Outcome, expected: str) -> None:
    line = run_text.document(build.boot()._replace(outcome=outcome)).splitlines()[-1]

    assert re.fullmatch(re.escape(expected) + r"; findings: (1 error, )?5 info", line)


def test_a_triple_fault_with_a_known_cause_cannot_be_a_requested_reset() -> None:
    death = Death("triple-fault", 0x1000, None, "triple fault (or a reset)")
    unexplained = Outcome("prepare", DEAD, death)
    recording = load(next(path for path in RECORDINGS if path.stem == "linux-6.1-died"))
    last = run_text.document(recording).splitlines()[-1]

    assert "died: triple fault at 0x1000 (or a reset); last stage reached: prepare" == run_text.outcome(unexplained)
    assert "xen_prepare_pvh+0xa9; last stage reached: prepare; findings: 5 errors" in last
    assert last in run_text.report(recording)


def test_the_cause_of_a_death_comes_first() -> None:
    document = died()
    broken = build.linux_guest()
    broken.put(build.START_INFO, b"AAAA")
    first, *rest = stop("died", document._replace(stops=(broken.at("entry"), *document.stops)))[2:]

    assert first.startswith("  X PVH901  BUG (ud2 at 0xffffffff8305a1ff xen_prepare_pvh+0xa9): magic is 0x41414141")
    assert any(line.startswith("  X PVH900  triple fault at 0xffffffff8305a1ff") for line in rest)


def test_a_report_has_only_the_findings() -> None:
    report = run_text.report(build.boot()).split("\n\n")

    assert report[1].startswith("entry: the first instruction")
    assert "prepare, bootparams, kernel, e820: no new findings" == report[2]
    assert report[3].startswith("done: reached e820; not watched after e820; findings: 5 info")


def assert_fit_for_a_terminal(written: str) -> None:
    assert set() == {sign for sign in written if not " " <= sign <= "~" and sign not in "\n" + NON_ASCII_SIGNS}
    assert len(written) < 300_000
    assert max(map(len, written.splitlines())) < 320


def captures_of(target: build.RandomTarget) -> list[Capture]:
    return [build.capture_target(target, stage, build.linux()) for stage in (*stages.NAMES, stages.DIED)]


@pytest.mark.parametrize("byte", [0x00, 0x1B, 0x41, 0xFF])
def test_memory_full_of_one_byte_gives_short_text_without_control_characters(byte: int) -> None:
    document = build.boot()._replace(stops=tuple(captures_of(build.RandomTarget(0, byte))))

    assert_fit_for_a_terminal(run_text.document(document))


def test_random_memory_gives_short_text_without_control_characters() -> None:
    for capture in captures_of(build.RandomTarget(1)):
        assert_fit_for_a_terminal(run_text.one_stop(Stop(capture, (), build.linux())))


def test_strings_of_a_recording_are_escaped() -> None:
    evil = "\x1b]0;owned\x07\u202e\udcff"
    kernel = build.linux()._replace(path=evil, kind=evil, build_id=evil, release=evil)
    rewrites = (Rewrite(evil, 0, b"", b""),)
    machine = build.machine()._replace(qemu=evil, machine=evil, append=evil, initrd=evil, rewrites=rewrites)
    for outcome in (Outcome(None, DEAD, Death(evil, 0, evil, evil)), Outcome(evil, TIMED_OUT, None, evil, 0, evil)):
        assert_fit_for_a_terminal(run_text.document(Document(kernel, machine, (), outcome)))
    assert_fit_for_a_terminal(run_text.document(Document(kernel, machine, (), Outcome(evil, evil))))


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_every_recording_fits_100_columns_and_shows_all_its_stages(path: Path) -> None:
    document = load(path)
    written = run_text.document(document)
    tables = [line for line in written.splitlines() if line.startswith("    ")]

    assert [capture.stage for capture in document.stops] == re.findall(r"^(\w+): .*\n  rip", written, re.MULTILINE)
    assert max(map(len, tables)) <= 100
