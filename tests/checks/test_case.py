"""Which stop, which machine and which guest a rule judges."""

from __future__ import annotations

import pytest

from pvhdbg.boot.record.document import MachineFacts
from pvhdbg.boot.stop.stop import Stop
from pvhdbg.checks.case import Case, symbols_of
from pvhdbg.guest_profiles import table
from pvhdbg.image.facts import Note
from tests import build
from tests.checks.cases import FREEBSD, HOBBY, LINUX, MACHINE, entry, prepare

STOPS = build.boot().stops


def case_at(*numbers: int, machine: MachineFacts = MACHINE) -> Case:
    """Return a case at the last of these stops of a boot; the others came before."""
    *earlier, last = (STOPS[number] for number in numbers)
    return Case(Stop(last, tuple(earlier), LINUX), machine)


@pytest.mark.parametrize(
    ("stops", "stage"),
    [
        ((0,), "entry"),
        ((0, 1), "prepare"),
        ((0, 1, 2), "prepare"),
        ((0, 1, 2, 3, 4), "prepare"),
        ((0, 2), "entry"),
        ((2,), "bootparams"),
        ((2, 3), "bootparams"),
    ],
)
def test_the_boot_data_is_that_of_the_last_stop_before_the_kernel_changed_anything(
    stops: tuple[int, ...], stage: str
) -> None:
    stop = case_at(*stops).boot_data_stop

    assert stop is not None
    assert stage == stop.stage


def test_without_a_stop_that_shows_start_info_there_is_no_boot_data() -> None:
    case = case_at(3, 4)

    assert (None, None, None) == (case.boot_data_stop, case.expected, case.predicted_death)


def test_at_prepare_the_kernels_copy_of_start_info_is_judged() -> None:
    case = prepare({0x30: b"\5"})

    assert case.start_info is case.capture.pvh_start_info
    assert ("pvh_start_info.magic", 0x310D2E0) == (case.path_of("magic"), case.address_of("magic"))
    assert case.expected is not None
    assert 6 == case.expected.boot_params[0x1E8]  # five entries and the ISA range


def test_at_the_entry_the_vmms_start_info_is_judged() -> None:
    case = entry()

    assert ("start_info.memmap_paddr", 0xF3208) == (case.path_of("memmap_paddr"), case.address_of("memmap_paddr"))
    assert None is case_at(3).address_of("magic")


def test_the_last_of_several_stops_at_a_stage_counts() -> None:
    case = case_at(0, 1, 0, 2)

    assert STOPS[0] is case.last_stop_at("entry")
    assert case.last_stop_at("kernel") is None
    first, again = STOPS[0], STOPS[0]._replace(missing={"rsdp": "again"})
    assert again is Case(Stop(STOPS[1], (first, again), LINUX)).last_stop_at("entry")


@pytest.mark.parametrize(
    ("rip", "image", "is_entry"),
    [(0x1000850, LINUX, True), (0x1000851, LINUX, False), (0x1000851, None, True)],
)
def test_a_stop_is_the_entry_while_no_instruction_has_run(rip: int, image: object, is_entry: bool) -> None:
    case = entry(registers={"rip": rip}, image=image)

    assert is_entry == case.is_entry


def test_no_later_stage_is_the_entry() -> None:
    case = prepare()
    moved = case.capture._replace(registers={**case.capture.registers, "rip": 0x1000850})

    assert not Case(Stop(moved, case.earlier, LINUX)).is_entry


def test_with_a_wrong_magic_the_other_fields_and_the_modules_mean_nothing() -> None:
    case = entry(magic=0)

    assert (None, ()) == (case.valid_start_info, case.modules)
    assert case.start_info is not None
    assert case.capture.modules


@pytest.mark.parametrize(
    ("kind", "symbols", "is_linux"),
    [
        ("vmlinux", {}, True),
        ("bzimage", {}, True),
        ("elf", {}, False),
        ("elf", {"xen_prepare_pvh": 1}, True),
        ("elf", {"pvh_start_info": 1}, False),
    ],
)
def test_a_linux_is_recognized_by_its_file_or_its_function(kind: str, symbols: dict[str, int], is_linux: bool) -> None:
    case = entry(image=LINUX._replace(kind=kind), symbols=symbols)

    assert is_linux == case.is_linux
    assert ("error" if is_linux else "warning") == case.fatal_severity


def test_without_a_kernel_file_the_function_shows_whether_the_guest_is_linux() -> None:
    assert not entry(image=None, symbols={}).is_linux
    assert entry(image=None).is_linux


@pytest.mark.parametrize(
    ("notes", "name"),
    [
        ((), ""),
        ((Note("Xen", 6, b"FreeBSD\0"),), "FreeBSD"),
        ((Note("Xen", 6, b"linux\0junk"),), "linux"),
        ((Note("Xen", 7, b"FreeBSD\0"),), ""),
        ((Note("GNU", 6, b"FreeBSD\0"),), ""),
    ],
)
def test_the_guests_os_is_in_xens_note_6(notes: tuple[Note, ...], name: str) -> None:
    assert name == table.guest_os(notes)


def test_a_run_without_a_file_has_no_verdicts_and_its_symbols_tell_the_guest() -> None:
    case = entry(image=None)

    assert ("linux", ()) == (case.guest.name, case.verdicts)
    assert "other" == entry(image=None, symbols={}).guest.name


def test_in_a_recording_without_the_name_of_a_profile_notes_and_symbols_tell_the_guest() -> None:
    assert "freebsd" == entry(image=FREEBSD._replace(guest=""), symbols={}).guest.name
    assert "linux" == entry(image=HOBBY).guest.name
    assert "other" == entry(image=HOBBY, symbols={}).guest.name
    assert "osv" == entry(image=HOBBY._replace(guest="osv")).guest.name
    assert [True, False, False] == [
        entry(image=image, symbols={}).is_another_guest for image in (FREEBSD, HOBBY, LINUX)
    ]


@pytest.mark.parametrize(
    ("argv", "append"),
    [
        ((), "default"),
        (("qemu", "-append", "a"), "a"),
        (("qemu", "-append", "a", "-append", "b"), "b"),
        (("-append", "a", "-m", "1G"), "a"),
        (("qemu", "-append"), "default"),
        (("qemu", "-m", "-append", "x"), "x"),
    ],
)
def test_the_last_option_in_qemus_argv_counts(argv: tuple[str, ...], append: str) -> None:
    assert append == entry(machine=MachineFacts(append="default", argv=argv)).append


@pytest.mark.parametrize(
    ("accel", "argv", "xen"),
    [
        ("tcg", (), False),
        ("kvm", (), False),
        ("kvm", ("-accel", "kvm,xen-version=0x40011"), True),
        ("kvm", ("-accel", "kvm"), False),
        (None, (), None),
        ("hvf", (), None),
    ],
)
def test_whether_cpuid_shows_xen_follows_from_the_accelerator(
    accel: str | None, argv: tuple[str, ...], xen: bool | None
) -> None:
    machine = MachineFacts(accel=accel, argv=argv)

    assert xen is entry(machine=machine).kernel_behavior.xen
    assert xen is entry(machine=machine, image=None).kernel_behavior.xen


def test_the_symbols_of_all_stops_count() -> None:
    stops = (STOPS[0]._replace(symbols={"a": 1, "b": 1}), STOPS[1]._replace(symbols={"b": 2}))

    assert {"a": 1, "b": 2} == symbols_of(stops)
    assert {"a": 1, "b": 2} == Case(Stop(stops[1], stops[:1], LINUX)).symbols
    assert {} == Case(Stop(stops[1], stops[:1], LINUX), symbols={}).symbols


def test_pvh_bootparams_counts_only_where_it_is_complete() -> None:
    whole = case_at(0, 1, 2)
    half = Case(Stop(whole.capture._replace(stage="prepare"), whole.earlier, LINUX), MACHINE)

    assert whole.pvh_bootparams is whole.capture.boot_params
    assert None is half.pvh_bootparams
    assert () == half.mismatches == whole.mismatches


@pytest.mark.parametrize(("fields", "blamed"), [(("magic",), False), (("start_info.magic",), True)])
def test_a_death_is_blamed_on_its_field_only_and_only_in_linux(fields: tuple[str, ...], blamed: bool) -> None:
    assert blamed == (prepare(magic=0).death_blamed_on(*fields) is not None)
    assert None is prepare().death_blamed_on(*fields)
    assert None is prepare(magic=0, image=HOBBY, symbols={}).death_blamed_on(*fields)


def test_empty_regions_are_not_loaded() -> None:
    names = [region.name for region in entry(modules=((build.RAMDISK, 1, 0, 0), (0x100000, 0, 0, 0))).loaded_regions]

    assert ["the kernel", "module 0"] == names
