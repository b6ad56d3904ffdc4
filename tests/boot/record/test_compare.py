"""Captures compared, one thing changed at a time: what is found, under which path."""

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


def found(before: Capture, after: Capture) -> Values:
    """What changed of the boot data, by path."""
    return {each.path: (each.before, each.after) for each in compare_captures(before, after, registers=False)}


def entry(**changes: int) -> Capture:
    """A Linux's entry with other values in its start_info."""
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
    return next(each for each in build.boot().stops if each.stage == stage)


def with_params(capture: Capture, **values: int | bytes) -> Capture:
    """The same stop with other boot_params."""
    assert capture.boot_params is not None
    raw = build.boot_params(build.MAP, **values)
    return capture._replace(boot_params=BootParams(raw, capture.boot_params.at))


def test_a_stop_is_the_same_as_itself() -> None:
    assert [()] * 5 == [compare_captures(each, each) for each in build.boot().stops]


def test_a_field_is_found_under_its_path_and_knows_its_row_of_the_table() -> None:
    (change,) = compare_captures(entry(), entry(magic=0x1234))

    assert compare.Change("start_info.magic", 0x336EC578, 0x1234, (StartInfo.magic,)) == change


def test_a_field_of_a_structure_inside_another_has_both_names_in_its_path() -> None:
    at = stop("bootparams")

    assert {"boot_params.hdr.version": (0, 0x20C)} == found(with_params(at), with_params(at, hdr__version=0x20C))


def test_an_element_of_an_array_is_found_by_its_index() -> None:
    at = stop("bootparams")
    after = with_params(at, edd_mbr_sig_buffer=b"\0" * 8 + b"\x07")

    assert {"boot_params.edd_mbr_sig_buffer[2]": (0, 7)} == found(with_params(at), after)


def test_entries_of_the_map_are_compared_field_by_field() -> None:
    guest = build.linux_guest()
    guest.put(build.MEMMAP, build.memmap([(0xD0000, 0x30000, 2), *build.MAP[1:]]))

    assert {
        "memory_map.entries[0].size": (0x20000, 0x30000),
        "memory_map.entries[0].type": (4, 2),
    } == found(entry(), guest.at("entry"))


def test_a_shorter_map_says_which_entries_are_gone() -> None:
    before, after = entry(), entry(memmap_entries=len(build.MAP) - 1)
    assert before.memory_map is not None

    assert {
        "start_info.memmap_entries": (6, 5),
        "memory_map.nr_entries": (6, 5),
        "memory_map.entries[5]": (before.memory_map.entries[5], Absent(NO_ITEM)),
    } == found(before, after)


def test_another_module_is_one_addition_and_a_module_s_command_line_is_text() -> None:
    def at(*modules: tuple[int, int, int, int]) -> Capture:
        guest = build.linux_guest()
        info = build.start_info(nr_modules=len(modules), modlist_paddr=build.MODLIST)
        guest.put(build.START_INFO, info)
        guest.put(build.MODLIST, build.modlist(*modules))
        guest.put(0x9000, b"one\0")
        guest.put(0x9100, b"two\0")
        return guest.at("entry")

    changed = found(at((0x1000, 2, 0x9000, 0)), at((0x1000, 2, 0x9100, 0), (0x5000, 6, 0, 0)))
    added = changed.pop("modules[1]")

    assert {
        "start_info.nr_modules": (1, 2),
        "modules[0].cmdline_paddr": (0x9000, 0x9100),
        "modules[0].cmdline": ("one", "two"),
    } == changed
    assert isinstance(added[1], Module)
    assert Absent(NO_ITEM) == added[0]


def test_a_string_that_is_gone_says_why() -> None:
    changed = found(entry(), entry(cmdline_paddr=0))

    assert changed["cmdline"] == ("console=ttyS0 earlyprintk=ttyS0", Absent("cmdline_paddr is 0"))


def test_what_an_older_structure_lacks_says_so() -> None:
    changed = found(entry(), entry(version=0))

    assert changed["start_info.memmap_paddr"] == (build.MEMMAP, Absent("not in version 0 of the structure"))


def test_two_protocols_maps_are_compared_by_what_both_kinds_of_entries_have() -> None:
    guest = build.linux_guest()
    guest.put(build.START_INFO, build.start_info(version=0, nr_modules=2, modlist_paddr=build.MODLIST))
    guest.put(build.MODLIST, build.modlist((build.RAMDISK, build.RAMDISK_SIZE, 0, 0), (0x90000, 0, 0x91000, 0)))
    guest.put(0x91000, b"e820 data\0")
    guest.put(0x90000, build.e820_blob(build.MAP))

    changed = found(entry(), guest.at("entry"))

    assert ["memory_map.protocol", "memory_map.paddr"] == [path for path in changed if "memory_map" in path]


def test_what_only_one_stage_has_is_one_change() -> None:
    before, after = stop("prepare"), stop("bootparams")

    assert {"boot_params": (Absent("not valid before stage bootparams"), after.boot_params)} == found(before, after)


def test_the_kernel_s_copy_is_compared_with_what_it_was_copied_from() -> None:
    before, after = stop("bootparams"), stop("kernel")
    assert after.kernel_boot_params is not None
    changed = BootParams(b"\1" + after.kernel_boot_params.raw[1:], after.kernel_boot_params.at)

    assert ("boot_params", "kernel_boot_params") in compared_keys(before, after)
    assert [] == [path for path in found(before, after) if "boot_params" in path]
    assert found(before, after._replace(kernel_boot_params=changed))["kernel_boot_params.screen_info.orig_x"] == (0, 1)


def test_the_copy_of_start_info_is_compared_with_the_original_where_nobody_kept_both() -> None:
    before = stop("entry")
    after = stop("prepare")._replace(start_info=None)

    assert {} == found(before, after)
    assert {} == found(after, before)
    assert "pvh_start_info" in found(before, stop("prepare"))


def test_the_way_back_names_the_original() -> None:
    changed = found(stop("kernel"), with_params(stop("bootparams")))

    assert (0x20C, 0) == changed["boot_params.hdr.version"]


def test_entries_behind_the_counted_ones_are_not_lost() -> None:
    at = stop("bootparams")
    junk = build.boot_params(build.MAP)[0x2D0 : 0x2D0 + 120] + b"\x55"

    ((path, (before, after)),) = found(with_params(at), with_params(at, e820_table=junk)).items()

    assert path == "boot_params.e820_table"
    assert isinstance(before, bytes)
    assert isinstance(after, bytes)
    assert (0, 0x55) == (before[0], after[0])


def test_a_kernel_s_table_is_compared_by_count_and_entry() -> None:
    before = stop("e820")
    assert before.e820_table is not None
    table = before.e820_table
    after = before._replace(e820_table=E820(table.paddr, 4, table.entries[:4]))

    assert {"e820_table": (5, 4), "e820_table[4]": (table.entries[4], Absent(NO_ITEM))} == found(before, after)


def test_registers_are_a_group_that_can_be_left_out() -> None:
    before, after = stop("entry"), stop("prepare")
    changed = {each.path: (each.before, each.after) for each in compare_captures(before, after)}

    assert (0x11, 0x80000011) == changed["registers.cr0"]
    assert ("protected32", "long64") == changed["cpu_mode"]
    assert {"pvh_start_info"} == set(found(before, after))


def test_a_register_that_the_stub_does_not_tell_says_why() -> None:
    guest = build.linux_guest()
    guest.without_monitor()

    changed = {each.path: each.after for each in compare_captures(entry(), guest.at("entry"))}

    assert Absent("the gdb stub offers no QEMU monitor") == changed["registers.cs.limit"]


def test_marks_are_the_values_before() -> None:
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
def test_a_row_knows_whether_a_change_lies_in_it(path: str, outer: str, *, expected: bool) -> None:
    assert expected == is_within(path, outer)


def test_paths_are_those_of_the_json_document() -> None:
    """Every path of a change between two stops of noise leads to a value in one of the two documents."""
    stops = [build.look(build.Noise(seed), stage) for seed, stage in ((1, "bootparams"), (2, "bootparams"))]
    documents = [to_json.stop(each) for each in stops]

    paths = [each.path for each in compare_captures(*stops)]

    assert len(paths) > 500
    assert [] == [path for path in paths if not any(_leads_somewhere(document, path) for document in documents)]


def _leads_somewhere(document: dict[str, Any], path: str) -> bool:
    """A register's name may have a dot; entries of a map are shown without `reserved`."""
    if path.startswith("registers."):
        return path.removeprefix("registers.") in document["registers"]
    here: Any = document
    for name, index in re.findall(r"([^.\[\]]+)|\[(\d+)\]", path.removesuffix(".reserved")):
        key = name or int(index)
        if here is None or (isinstance(here, list) and not (isinstance(key, int) and key < len(here))):
            return False
        if isinstance(here, dict) and key not in here:
            return False
        here = here[key]
    return True


def test_a_run_and_its_recording_are_the_same() -> None:
    run = build.boot()
    again = replay(json.loads(to_json.dumps(run)))

    assert not compare_runs(run, again).differs


def test_runs_are_compared_by_kernel_machine_outcome_and_stage() -> None:
    run = build.boot()
    death = Death("triple-fault", 0x1000, None, "")
    other = run._replace(
        kernel=build.linux()._replace(notes=(Note("Xen", 18, b"\0"),), build_id=None),
        machine=build.machine()._replace(memory="1G", rewrites=(Rewrite("cmdline", 1, b"", b""),)),
        stops=run.stops[:3],
        outcome=Outcome("bootparams", DEAD, death),
    )

    compared = compare_runs(run, other)
    paths = {each.path: (each.before, each.after) for each in compared.run}

    assert compared.differs
    assert ("512M", "1G") == paths["machine.memory"]
    assert (build.linux().build_id, Absent("none")) == paths["kernel.build_id"]
    assert (Absent("none"), death) == paths["outcome.died"]
    assert {"kernel.notes[0]", "machine.rewrites[0]", "outcome.reached", "outcome.ended"} < set(paths)
    assert ["entry", "prepare", "bootparams", "kernel", "e820"] == [each.stage for each in compared.stages]
    assert (compare.Change("stage", "e820", Absent("never reached")),) == compared.stages[4].changes


def test_file_descriptors_among_qemu_s_arguments_are_no_difference() -> None:
    run = build.boot()._replace(machine=build.machine()._replace(argv=("-chardev", "socket,fd=7,server=on")))
    again = run._replace(machine=build.machine()._replace(argv=("-chardev", "socket,fd=12,server=on")))
    other = run._replace(machine=build.machine()._replace(argv=("-chardev", "socket,fd=7,server=off")))

    assert not compare_runs(run, again).differs
    assert compare_runs(run, other).differs
