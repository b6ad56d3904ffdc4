"""What gdb's own print makes of the boot data: convenience functions, pretty-printers, and GDB/MI."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest
from pygdbmi.gdbmiparser import parse_response

from pvhdbg import guest
from tests.cli.shell import pvhdbg
from tests.in_gdb import stock
from tests.qboot import QBOOT

if TYPE_CHECKING:
    from pathlib import Path

AT_START_INFO = ("pvh run-to entry", "set $at = $rbx")
LIST_OF_WORDS = ("registers", "symbols", "missing")


def boot(folder: Path, *lines: str, symbols: Path | None = guest.ELF) -> stock.Told:
    """Ask the teaching guest."""
    with stock.qemu(folder, guest.ELF) as machine:
        return stock.pvh(folder, machine, *lines, symbols=symbols)


def printed(told: stock.Told) -> list[str]:
    """Values without the number that gdb gives them."""
    return [re.sub(r"^\$\d+ = ", "", text).strip() for text in told.texts]


def test_a_start_info_speaks(tmp_path: Path) -> None:
    told = boot(tmp_path, "pvh run-to prepare", "p pvh_start_info", "set print pretty on", "p pvh_start_info")
    flat, pretty = printed(told)[1], printed(told)[3].splitlines()

    assert flat.startswith(
        "{magic = 0x336ec578 (correct), version = 1, flags = 0x0, nr_modules = 0, modlist_paddr = 0x0, "
    )
    assert "  magic = 0x336ec578 (correct)," in pretty
    assert "  memmap_entries = 6," in pretty


def test_a_wrong_magic_says_so(tmp_path: Path) -> None:
    told = boot(tmp_path, "pvh run-to prepare", "set var pvh_start_info.magic = 1", "p pvh_start_info")

    assert printed(told)[-1].startswith("{magic = 0x1 (wrong: must be 0x336ec578), ")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("p/x pvh_start_info", "{magic = 0x336ec578, version = 0x1, flags = 0x0, nr_modules = 0x0, "),
        ("p/d pvh_start_info", "{magic = 862897528, version = 1, flags = 0, nr_modules = 0, "),
        ("p/r pvh_start_info", "{magic = 862897528, version = 1, flags = 0, nr_modules = 0, "),
        ("p pvh_start_info.magic", "862897528"),
        ("p/x pvh_start_info.magic", "0x336ec578"),
        ("p &pvh_start_info", "(struct hvm_start_info *) 0xffffffff8100b040 <pvh_start_info>"),
        ("p sizeof pvh_start_info", "56"),
        ("p pvh_start_info.version + 1", "2"),
        ("p *(struct hvm_modlist_entry *)&pvh_start_info", "{paddr = 0x1336ec578, size = "),
        (
            "p *(struct hvm_memmap_table_entry *)$pvh_start_info().memmap_paddr",
            "{addr = 0x0, size = 0x9fc00, type = 1 (RAM: usable memory), reserved = 0x0}",
        ),
    ],
)
def test_a_printer_leaves_to_gdb_what_is_gdb_s(line: str, expected: str, tmp_path: Path) -> None:
    told = boot(tmp_path, "pvh run-to prepare", line)

    assert printed(told)[-1].startswith(expected)


def test_boot_params_speak_in_their_parts(tmp_path: Path) -> None:
    told = boot(tmp_path, "pvh run-to bootparams", "p pvh_bootparams.e820_table[0]", "p pvh_bootparams.hdr")

    assert "{addr = 0x0, size = 0x9fc00, type = 1 (RAM: usable memory)}" == printed(told)[1]
    assert "version = 0x20c (2.12), " in printed(told)[2]
    assert "type_of_loader = 0xb0 (QEMU, version 0), " in printed(told)[2]
    assert "setup_sects = 0, " in printed(told)[2]


def test_a_printer_of_the_user_s_own_comes_first_and_ours_can_be_turned_off(tmp_path: Path) -> None:
    own = tmp_path / "own.py"
    own.write_text(
        "import gdb\n"
        "class Own:\n    def to_string(self): return 'my own'\n"
        "def look(value):\n    return Own() if value.type.tag == 'setup_header' else None\n"
        "gdb.pretty_printers.append(look)\n"
    )
    lines = (f"source {own}", f"source {stock.SCRIPT}", f"source {stock.SCRIPT}", "p pvh_bootparams.hdr")
    off = ("disable pretty-printer global pvhdbg", "p pvh_start_info.magic", "info pretty-printer")
    told = stock.gdb(tmp_path, *lines, "p pvh_start_info", *off, "p pvh_start_info", symbols=guest.ELF)

    assert [] == told.errors
    assert "my own" == printed(told)[3]
    assert printed(told)[4].startswith("{magic = 0x0 (wrong")
    assert "1 printer disabled" in told.texts[5]
    assert 1 == told.texts[7].count("pvhdbg [disabled]")
    assert printed(told)[8].startswith("{magic = 0, version = 0, ")


def test_functions_give_structures_where_gdb_knows_them(tmp_path: Path) -> None:
    lines = (
        *(
            "p $pvh_start_info()",
            "p $pvh_start_info().nr_modules",
            "p $pvh_start_info($pvh_start_info().memmap_paddr).version",
        ),
        *("p $pvh_e820(1)", "p/x $pvh_e820(4).size", "p $pvh_e820(7)", "p $pvh_e820(-1)"),
    )
    told = boot(tmp_path, "pvh run-to bootparams", *lines)

    assert printed(told)[1].startswith("{magic = 0x336ec578 (correct), ")
    assert ["0", "0"] == printed(told)[2:4]
    assert ["{addr = 0x9fc00, size = 0x400, type = 2 (RESERVED: not to be used)}", "0x1ff00000"] == printed(told)[4:6]
    assert ["there is no entry 7: the table has 7", "there is no entry -1: the table has 7"] == told.errors


def test_without_debug_information_they_give_addresses(tmp_path: Path) -> None:
    lines = ("p $pvh_start_info() == $rbx", "p/x $pvh_phys($pvh_start_info(), 4)")
    told = boot(tmp_path, "pvh run-to entry 0x1000000", *lines, symbols=None)

    assert ["1", "0x336ec578"] == printed(told)[1:]


def test_physical_memory_is_read_wherever_the_page_tables_lead(tmp_path: Path) -> None:
    told = boot(
        tmp_path,
        *AT_START_INFO,
        "pvh run-to kernel",
        *(
            "p/x $pvh_phys($at, 4)",
            "p/x $pvh_phys($at, 2)",
            "p/x $pvh_phys($at, 1)",
            "p/x $pvh_phys($at)",
        ),
        *("p $pvh_phys($at, 3)", "p/x $pvh_phys(&pvh_start_info, 4)", "p/x *(int *)$at"),
        *("p $pvh_phys(0, 65537)", "p $pvh_phys($at, 65536)[0]"),
        *("set max-value-size unlimited", "p $pvh_phys(0, 1048577)", "p $pvh_phys($at, 1048576)[0]"),
    )

    assert ["0x336ec578", "0xc578", "0x78", "0x1336ec578"] == printed(told)[3:7]
    assert [r'"x\305n"', "0x336ec578"] == printed(told)[7:9]
    assert "120 'x'" == printed(told)[-1]
    assert told.errors[0].startswith("Cannot access memory at address 0x")
    assert [
        "65537 bytes can't be read: 1 to 65536",
        "1048577 bytes can't be read: 1 to 1048576",
    ] == told.errors[1:]


def test_a_condition_may_use_them(tmp_path: Path) -> None:
    never = "hbreak xen_prepare_pvh if $pvh_start_info().version == 7"
    told = boot(
        tmp_path, *AT_START_INFO, never, "hbreak start_kernel if $pvh_phys($at, 4) == 0x336ec578", "continue", "p $pc"
    )

    assert [] == told.errors
    assert "<start_kernel" in told.last
    assert "Error" not in told.out + told.err


def as_mi(stop: object) -> object:
    """What JSON says, as MI says it: no null, numbers as words, no underscore before a name."""
    if isinstance(stop, dict):
        return {key.lstrip("_"): as_mi(each) for key, each in stop.items() if each is not None}
    return [as_mi(each) for each in stop] if isinstance(stop, list) else str(stop)


def capture(told: stock.Told) -> dict[str, object]:
    """The last answer, parsed as a front end would."""
    payload = parse_response(told.last.strip())["payload"]
    for name in LIST_OF_WORDS:
        payload[name] = {each["name"]: each["value"] for each in payload[name]}
    return dict(payload)


@pytest.mark.parametrize("stage", ["entry", "bootparams", "e820"])
def test_the_mi_command_gives_the_json_of_a_stop(stage: str, tmp_path: Path) -> None:
    told = boot(tmp_path, f"pvh run-to {stage}", 'interpreter-exec mi "-pvh-capture"')
    done = pvhdbg("dump", guest.ELF, "--stage", stage, "--format", "json", "--", *QBOOT, cwd=tmp_path)
    stop = json.loads(done.out)["stops"][-1]

    assert as_mi({**stop, "findings": []}) == {**capture(told), "findings": []}


def test_the_mi_command_gives_what_was_captured_before(tmp_path: Path) -> None:
    told = boot(tmp_path, "pvh run-to prepare", 'interpreter-exec mi "-pvh-capture entry"')

    assert ("entry", str(0x1000000)) == (capture(told)["stage"], capture(told)["rip"])


@pytest.mark.parametrize(
    ("words", "error"),
    [("nowhere", 'nothing was captured at stage \\"nowhere\\"'), ("entry now", "usage: -pvh-capture [STAGE]")],
)
def test_a_mistake_is_an_mi_error(words: str, error: str, tmp_path: Path) -> None:
    told = boot(tmp_path, f'interpreter-exec mi "-pvh-capture {words}"')

    assert told.last.startswith(f'^error,msg="{error}')
