"""Compare captures that differ in one value: the result is this change, with its path."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from pvhdbg.abi.boot_params import BootParams
from pvhdbg.abi.start_info import StartInfo
from pvhdbg.boot.record import compare
from pvhdbg.boot.record.compare import (
    NO_ITEM,
    Absent,
    compare_captures,
    compare_runs,
    compared_keys,
    is_within,
    values_before,
)
from pvhdbg.boot.record.document import DEAD, Death, Outcome, Rewrite
from pvhdbg.boot.record.replay import replay
from pvhdbg.boot.stop.capture import E820, Capture, Module
from pvhdbg.image.facts import Note
from pvhdbg.views.to_json import document_json as to_json
from tests import build

Values = dict[str, tuple[object, object]]


def changes(before: Capture, after: Capture) -> Values:
    """Return the changes in the boot data, by path."""
    return {change.path: (change.before, change.after) for change in compare_captures(before, after, registers=False)}


def entry(**changes: int) -> Capture:
    """Return the entry capture of a Linux with changed fields in its start_info."""
    guest = build.linux_guest()
    fields = {
        "nr_modules": 1,
        "modlist_paddr": build.MODLIST,
        "cmdline_paddr": build.CMDLINE,
        "memmap_paddr": build.MEMMAP,
        "memmap_entries": len(build.MAP),
    }
    guest.put(build.START_INFO, build.start_info(**fields | changes))
    return guest.at("entry")


def stop(stage: str) -> Capture:
    return next(capture for capture in build.boot().stops if capture.stage == stage)


def with_params(capture: Capture, **values: int | bytes) -> Capture:
    """Return a copy of a stop with other boot_params."""
    assert capture.boot_params is not None
    raw = build.boot_params(build.MAP, **values)
    return capture._replace(boot_params=BootParams(raw, capture.boot_params.at))


def test_a_stop_does_not_differ_from_itself() -> None:
    assert [()] * 5 == [compare_captures(capture, capture) for capture in build.boot().stops]


def test_a_change_has_the_path_of_its_field_and_the_field() -> None:
    (change,) = compare_captures(entry(), entry(magic=0x1234))

    assert compare.Change("start_info.magic", 0x336EC578, 0x1234, (StartInfo.magic,)) == change


def test_a_field_of_a_nested_structure_has_both_names_in_its_path() -> None:
    at = stop("bootparams")

    assert {"boot_params.hdr.version": (0, 0x20C)} == changes(with_params(at), with_params(at, hdr__version=0x20C))


def test_a_changed_array_element_has_its_index_in_its_path() -> None:
    at = stop("bootparams")
    after = with_params(at, edd_mbr_sig_buffer=b"\0" * 8 + b"\x07")

    assert {"boot_params.edd_mbr_sig_buffer[2]": (0, 7)} == changes(with_params(at), after)


def test_map_entries_are_compared_field_by_field() -> None:
    guest = build.linux_guest()
    guest.put(build.MEMMAP, build.memmap([(0xD0000, 0x30000, 2), *build.MAP[1:]]))

    assert {
        "memory_map.entries[0].size": (0x20000, 0x30000),
        "memory_map.entries[0].type": (4, 2),
    } == changes(entry(), guest.at("entry"))


def test_removed_map_entries_are_changes() -> None:
    before, after = entry(), entry(memmap_entries=len(build.MAP) - 1)
    assert before.memory_map is not None

    assert {
        "start_info.memmap_entries": (6, 5),
        "memory_map.nr_entries": (6, 5),
        "memory_map.entries[5]": (before.memory_map.entries[5], Absent(NO_ITEM)),
    } == changes(before, after)


def test_an_added_module_is_one_change_and_a_modules_command_line_is_text() -> None:
    def at(*modules: tuple[int, int, int, int]) -> Capture:
        guest = build.linux_guest()
        info = build.start_info(nr_modules=len(modules), modlist_paddr=build.MODLIST)
        guest.put(build.START_INFO, info)
        guest.put(build.MODLIST, build.modlist(*modules))
        guest.put(0x9000, b"one\0")
        guest.put(0x9100, b"two\0")
        return guest.at("entry")

    changed = changes(at((0x1000, 2, 0x9000, 0)), at((0x1000, 2, 0x9100, 0), (0x5000, 6, 0, 0)))
    added = changed.pop("modules[1]")

    assert {
        "start_info.nr_modules": (1, 2),
        "modules[0].cmdline_paddr": (0x9000, 0x9100),
        "modules[0].cmdline": ("one", "two"),
    } == changed
    assert isinstance(added[1], Module)
    assert Absent(NO_ITEM) == added[0]


def test_a_removed_string_has_the_reason() -> None:
    changed = changes(entry(), entry(cmdline_paddr=0))

    assert changed["cmdline"] == ("console=ttyS0 earlyprintk=ttyS0", Absent("cmdline_paddr is 0"))


def test_a_field_that_an_older_version_lacks_has_the_reason() -> None:
    changed = changes(entry(), entry(version=0))

    assert changed["start_info.memmap_paddr"] == (build.MEMMAP, Absent("not in version 0 of the structure"))


def test_maps_of_two_protocols_are_compared_by_their_common_fields() -> None:
    guest = build.linux_guest()
    guest.put(build.START_INFO, build.start_info(version=0, nr_modules=2, modlist_paddr=build.MODLIST))
    guest.put(build.MODLIST, build.modlist((build.RAMDISK, build.RAMDISK_SIZE, 0, 0), (0x90000, 0, 0x91000, 0)))
    guest.put(0x91000, b"e820 data\0")
    guest.put(0x90000, build.e820_blob(build.MAP))

    changed = changes(entry(), guest.at("entry"))

    assert ["memory_map.protocol", "memory_map.paddr"] == [path for path in changed if "memory_map" in path]


def test_a_structure_that_only_one_stage_has_is_one_change() -> None:
    before, after = stop("prepare"), stop("bootparams")

    assert {"boot_params": (Absent("not valid before stage bootparams"), after.boot_params)} == changes(before, after)


def test_the_kernels_copy_is_compared_with_its_original() -> None:
    before, after = stop("bootparams"), stop("kernel")
    assert after.kernel_boot_params is not None
    changed = BootParams(b"\1" + after.kernel_boot_params.raw[1:], after.kernel_boot_params.at)

    assert ("boot_params", "kernel_boot_params") in compared_keys(before, after)
    assert [] == [path for path in changes(before, after) if "boot_params" in path]
    assert changes(before, after._replace(kernel_boot_params=changed))["kernel_boot_params.screen_info.orig_x"] == (
        0,
        1,
    )


def test_the_copy_of_start_info_is_compared_with_the_original_if_no_stop_has_both() -> None:
    before = stop("entry")
    after = stop("prepare")._replace(start_info=None)

    assert {} == changes(before, after)
    assert {} == changes(after, before)
    assert "pvh_start_info" in changes(before, stop("prepare"))


def test_comparing_a_copy_with_a_later_original_names_the_original() -> None:
    changed = changes(stop("kernel"), with_params(stop("bootparams")))

    assert (0x20C, 0) == changed["boot_params.hdr.version"]


def test_bytes_past_the_counted_entries_are_compared_too() -> None:
    at = stop("bootparams")
    junk = build.boot_params(build.MAP)[0x2D0 : 0x2D0 + 120] + b"\x55"

    ((path, (before, after)),) = changes(with_params(at), with_params(at, e820_table=junk)).items()

    assert path == "boot_params.e820_table"
    assert isinstance(before, bytes)
    assert isinstance(after, bytes)
    assert (0, 0x55) == (before[0], after[0])


def test_e820_table_is_compared_by_count_and_entry() -> None:
    before = stop("e820")
    assert before.e820_table is not None
    table = before.e820_table
    after = before._replace(e820_table=E820(table.paddr, 4, table.entries[:4]))

    assert {"e820_table": (5, 4), "e820_table[4]": (table.entries[4], Absent(NO_ITEM))} == changes(before, after)


def test_registers_can_be_left_out() -> None:
    before, after = stop("entry"), stop("prepare")
    changed = {change.path: (change.before, change.after) for change in compare_captures(before, after)}

    assert (0x11, 0x80000011) == changed["registers.cr0"]
    assert ("protected32", "long64") == changed["cpu_mode"]
    assert {"pvh_start_info"} == set(changes(before, after))


def test_a_missing_register_has_the_reason() -> None:
    guest = build.linux_guest()
    guest.without_monitor()

    changed = {change.path: change.after for change in compare_captures(entry(), guest.at("entry"))}

    assert Absent("the gdb stub offers no QEMU monitor") == changed["registers.cs.limit"]


def test_values_before_has_the_old_values_by_path() -> None:
    assert {"start_info.flags": 0} == values_before(entry(), entry(flags=3))


@pytest.mark.parametrize(
    ("path", "outer", "expected"),
    [
        ("modules[1].paddr", "modules[1]", True),
        ("modules[1]", "modules[1]", True),
        ("modules[12].paddr", "modules[1]", False),
        ("start_info.flags", "start_info", True),
        ("registers.cs.base", "registers.cs", True),
        ("boot_params.hdr", "boot_params.hd", False),
    ],
)
def test_a_path_is_within_another_only_at_a_boundary(path: str, outer: str, *, expected: bool) -> None:
    assert expected == is_within(path, outer)


def test_paths_are_those_of_the_json_document() -> None:
    """The path of every change between two random stops exists in one of the two documents."""
    stops = [build.capture_target(build.RandomTarget(seed), "bootparams") for seed in (1, 2)]
    documents = [to_json.stop(capture) for capture in stops]

    paths = [change.path for change in compare_captures(*stops)]

    assert len(paths) > 500
    assert [] == [path for path in paths if not any(_has_path(document, path) for document in documents)]


def _has_path(document: dict[str, Any], path: str) -> bool:
    """Return whether a path exists. Names of registers may have dots; map entries lack `reserved` in the document."""
    if path.startswith("registers."):
        return path.removeprefix("registers.") in document["registers"]
    value: Any = document
    for name, index in re.findall(r"([^.\[\]]+)|\[(\d+)\]", path.removesuffix(".reserved")):
        key = name or int(index)
        if value is None or (isinstance(value, list) and not (isinstance(key, int) and key < len(value))):
            return False
        if isinstance(value, dict) and key not in value:
            return False
        value = value[key]
    return True


def test_a_run_does_not_differ_from_its_recording() -> None:
    run = build.boot()
    again = replay(json.loads(to_json.dumps(run)))

    assert not compare_runs(run, again).differs


def test_runs_are_compared_by_kernel_machine_outcome_and_stage() -> None:
    run = build.boot()
    death = Death("triple-fault", 0x1000, None, "")
    changed = run._replace(
        kernel=build.linux()._replace(notes=(Note("Xen", 18, b"\0"),), build_id=None),
        machine=build.machine()._replace(memory="1G", rewrites=(Rewrite("cmdline", 1, b"", b""),)),
        stops=run.stops[:3],
        outcome=Outcome("bootparams", DEAD, death),
    )

    compared = compare_runs(run, changed)
    paths = {change.path: (change.before, change.after) for change in compared.run}

    assert compared.differs
    assert ("512M", "1G") == paths["machine.memory"]
    assert (build.linux().build_id, Absent("none")) == paths["kernel.build_id"]
    assert (Absent("none"), death) == paths["outcome.died"]
    assert {"kernel.notes[0]", "machine.rewrites[0]", "outcome.reached", "outcome.ended"} < set(paths)
    assert ["entry", "prepare", "bootparams", "kernel", "e820"] == [stage.stage for stage in compared.stages]
    assert (compare.Change("stage", "e820", Absent("never reached")),) == compared.stages[4].changes


def test_notes_of_one_owner_and_type_are_compared_wherever_the_linker_put_them() -> None:
    entry, version, more = Note("Xen", 18, b"\1"), Note("Linux", 257, b"\0"), Note("Linux", 257, b"\7")
    run, changed = (
        build.boot()._replace(kernel=build.linux()._replace(notes=notes))
        for notes in ((entry, version), (version, more, entry._replace(desc=b"\2"), Note("GNU", 3, b"")))
    )
    back = {change.path: (change.before, change.after) for change in compare_runs(changed, run).run}

    assert {
        "kernel.notes[1]": (Absent("no such item"), more),
        "kernel.notes[2].hex": (b"\1", b"\2"),
        "kernel.notes[3]": (Absent("no such item"), Note("GNU", 3, b"")),
    } == {change.path: (change.before, change.after) for change in compare_runs(run, changed).run}
    assert {"kernel.notes[1]", "kernel.notes[0].hex", "kernel.notes[3]"} == back.keys()


def test_file_descriptors_among_qemus_arguments_are_not_compared() -> None:
    run = build.boot()._replace(machine=build.machine()._replace(argv=("-chardev", "socket,fd=7,server=on")))
    again = run._replace(machine=build.machine()._replace(argv=("-chardev", "socket,fd=12,server=on")))
    changed = run._replace(machine=build.machine()._replace(argv=("-chardev", "socket,fd=7,server=off")))

    assert not compare_runs(run, again).differs
    assert compare_runs(run, changed).differs
