"""Convenience functions, pretty-printers and -pvh-capture."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

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


def boot(folder: Path, *lines: str, symbols: Path | None = guest.ELF) -> stock.Output:
    """Run lines in a gdb connected to the teaching guest."""
    with stock.qemu(folder, guest.ELF) as machine:
        return stock.pvh(folder, machine, *lines, symbols=symbols)


def printed(output: stock.Output) -> list[str]:
    """Return the printed values without gdb's `$1 = `."""
    return [re.sub(r"^\$\d+ = ", "", text).strip() for text in output.texts]


def test_a_start_info_is_printed_with_meanings(tmp_path: Path) -> None:
    output = boot(tmp_path, "pvh run-to prepare", "p pvh_start_info", "set print pretty on", "p pvh_start_info")
    flat, pretty = printed(output)[1], printed(output)[3].splitlines()

    assert flat.startswith(
        "{magic = 0x336ec578 (correct), version = 1, flags = 0x0, nr_modules = 0, modlist_paddr = 0x0, "
    )
    assert "  magic = 0x336ec578 (correct)," in pretty
    assert "  memmap_entries = 6," in pretty


def test_a_wrong_magic_is_marked(tmp_path: Path) -> None:
    output = boot(tmp_path, "pvh run-to prepare", "set var pvh_start_info.magic = 1", "p pvh_start_info")

    assert printed(output)[-1].startswith("{magic = 0x1 (wrong: must be 0x336ec578), ")


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
def test_other_formats_and_expressions_are_printed_by_gdb_itself(line: str, expected: str, tmp_path: Path) -> None:
    output = boot(tmp_path, "pvh run-to prepare", line)

    assert printed(output)[-1].startswith(expected)


def test_parts_of_boot_params_are_printed_with_meanings(tmp_path: Path) -> None:
    output = boot(tmp_path, "pvh run-to bootparams", "p pvh_bootparams.e820_table[0]", "p pvh_bootparams.hdr")

    assert "{addr = 0x0, size = 0x9fc00, type = 1 (RAM: usable memory)}" == printed(output)[1]
    assert "version = 0x20c (2.12), " in printed(output)[2]
    assert "type_of_loader = 0xb0 (QEMU, version 0), " in printed(output)[2]
    assert "setup_sects = 0, " in printed(output)[2]


def test_the_users_own_printers_take_precedence_and_pvhdbgs_can_be_disabled(tmp_path: Path) -> None:
    own = tmp_path / "own.py"
    own.write_text(
        "import gdb\n"
        "class Own:\n    def to_string(self): return 'my own'\n"
        "def look(value):\n    return Own() if value.type.tag == 'setup_header' else None\n"
        "gdb.pretty_printers.append(look)\n"
    )
    lines = (f"source {own}", f"source {stock.SCRIPT}", f"source {stock.SCRIPT}", "p pvh_bootparams.hdr")
    off = ("disable pretty-printer global pvhdbg", "p pvh_start_info.magic", "info pretty-printer")
    output = stock.gdb(tmp_path, *lines, "p pvh_start_info", *off, "p pvh_start_info", symbols=guest.ELF)

    assert [] == output.errors
    assert "my own" == printed(output)[3]
    assert printed(output)[4].startswith("{magic = 0x0 (wrong")
    assert "1 printer disabled" in output.texts[5]
    assert 1 == output.texts[7].count("pvhdbg [disabled]")
    assert printed(output)[8].startswith("{magic = 0, version = 0, ")


def test_functions_return_structures_if_gdb_has_their_types(tmp_path: Path) -> None:
    lines = (
        *(
            "p $pvh_start_info()",
            "p $pvh_start_info().nr_modules",
            "p $pvh_start_info($pvh_start_info().memmap_paddr).version",
        ),
        *("p $pvh_e820(1)", "p/x $pvh_e820(4).size", "p $pvh_e820(7)", "p $pvh_e820(-1)"),
    )
    output = boot(tmp_path, "pvh run-to bootparams", *lines)

    assert printed(output)[1].startswith("{magic = 0x336ec578 (correct), ")
    assert ["0", "0"] == printed(output)[2:4]
    assert ["{addr = 0x9fc00, size = 0x400, type = 2 (RESERVED: not to be used)}", "0x1ff00000"] == printed(output)[4:6]
    assert [
        "index 7 is out of range: the table has 7 entries",
        "index -1 is out of range: the table has 7 entries",
    ] == output.errors


def test_without_debug_information_functions_return_addresses(tmp_path: Path) -> None:
    lines = ("p $pvh_start_info() == $rbx", "p/x $pvh_phys($pvh_start_info(), 4)")
    output = boot(tmp_path, "pvh run-to entry 0x1000000", *lines, symbols=None)

    assert ["1", "0x336ec578"] == printed(output)[1:]


def test_pvh_phys_reads_physical_memory_whatever_the_page_tables_map(tmp_path: Path) -> None:
    output = boot(
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

    assert ["0x336ec578", "0xc578", "0x78", "0x1336ec578"] == printed(output)[3:7]
    assert [r'"x\305n"', "0x336ec578"] == printed(output)[7:9]
    assert "120 'x'" == printed(output)[-1]
    assert output.errors[0].startswith("Cannot access memory at address 0x")
    assert [
        "size 65537: out of range (use a size from 1 to 65536)",
        "size 1048577: out of range (use a size from 1 to 1048576)",
    ] == output.errors[1:]


def test_a_breakpoint_condition_may_use_functions(tmp_path: Path) -> None:
    never = "hbreak xen_prepare_pvh if $pvh_start_info().version == 7"
    output = boot(
        tmp_path, *AT_START_INFO, never, "hbreak start_kernel if $pvh_phys($at, 4) == 0x336ec578", "continue", "p $pc"
    )

    assert [] == output.errors
    assert "<start_kernel" in output.last
    assert "Error" not in output.out + output.err


def as_mi(stop: object) -> object:
    """Convert JSON to what MI can express: no missing values, numbers as strings, no leading underscore in a name."""
    if isinstance(stop, dict):
        return {key.lstrip("_"): as_mi(value) for key, value in stop.items() if value is not None}
    return [as_mi(item) for item in stop] if isinstance(stop, list) else str(stop)


def capture(output: stock.Output) -> dict[str, object]:
    """Parse the last answer as a front end does."""
    payload = parse_response(output.last.strip())["payload"]
    for name in LIST_OF_WORDS:
        payload[name] = {entry["name"]: entry["value"] for entry in payload[name]}
    return dict(payload)


def serial_is_missing(stop: Any) -> dict[str, object]:  # noqa: ANN401 - JSON
    """Return a stop without findings and serial output: gdb does not see what the guest writes on its console."""
    missing = {name: why for name, why in stop["missing"].items() if name != "serial"}
    return {name: value for name, value in stop.items() if name not in ("findings", "serial")} | {"missing": missing}


@pytest.mark.parametrize("stage", ["entry", "bootparams", "e820"])
def test_pvh_capture_returns_what_the_json_of_a_stop_has(stage: str, tmp_path: Path) -> None:
    output = boot(tmp_path, f"pvh run-to {stage}", 'interpreter-exec mi "-pvh-capture"')
    done = pvhdbg("dump", guest.ELF, "--stage", stage, "--format", "json", "--", *QBOOT, cwd=tmp_path)
    stop = json.loads(done.out)["stops"][-1]

    assert serial_is_missing(as_mi(stop)) == serial_is_missing(capture(output))


def test_pvh_capture_returns_an_earlier_capture(tmp_path: Path) -> None:
    output = boot(tmp_path, "pvh run-to prepare", 'interpreter-exec mi "-pvh-capture entry"')

    assert ("entry", str(0x1000000)) == (capture(output)["stage"], capture(output)["rip"])


@pytest.mark.parametrize(
    ("words", "error"),
    [("nowhere", 'unknown stage: \\"nowhere\\"'), ("entry now", "usage: -pvh-capture [STAGE]")],
)
def test_a_wrong_argument_is_an_mi_error(words: str, error: str, tmp_path: Path) -> None:
    output = boot(tmp_path, f'interpreter-exec mi "-pvh-capture {words}"')

    assert output.last.startswith(f'^error,msg="{error}')
