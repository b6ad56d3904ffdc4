"""Guests of a few bytes that work under QEMU and fail under another VMM, each beside one that does not fail."""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Any

import pytest

from pvhdbg import guest
from pvhdbg.boot.record import replay
from tests.cli.shell import pvhdbg
from tests.image.builder import ENTRY, Symbol, elf, load, note, notes, symbol_sections

if TYPE_CHECKING:
    from pathlib import Path

FUNCTION, STACK, PUSHED = ENTRY + 0x40, ENTRY + 0x1000, 0xFFFFFFFC
HALT = bytes.fromhex("f4ebfd")
SET_ESP = b"\xbc" + struct.pack("<I", STACK)
PUSH, RELOAD_DS, NO_IDT = b"\x53", bytes.fromhex("b810000000 8ed8"), bytes.fromhex("0f011d") + bytes(4)
FLAT = bytes.fromhex("ffff0000009bcf00 ffff00000093cf00")


def call(at: int) -> bytes:
    return b"\xe8" + struct.pack("<i", FUNCTION - (ENTRY + at + 5))


def own_gdt(at: int) -> bytes:
    """Return code that loads a GDT, which follows a jump over it."""
    gdt = ENTRY + at + 2 + 6
    register = struct.pack("<HI", 23, gdt)
    data = register + bytes(8) + FLAT
    return b"\xeb" + bytes([len(data)]) + data + bytes.fromhex("0f0115") + struct.pack("<I", gdt - 6)


GUESTS = {
    "call": call(0),
    "push": PUSH,
    "sets-esp": SET_ESP + call(len(SET_ESP)),
    "reloads-ds": RELOAD_DS,
    "own-gdt": own_gdt(0) + RELOAD_DS,
}
VMMS = ("qemu", "firecracker", "xen-domu")
DIED, HALTED = "died", "halted"
Runs = dict[tuple[str, str], Any]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """Boot each guest with each VMM's handover."""
    folder = tmp_path_factory.mktemp("guests")
    for name, code in GUESTS.items():
        text = (code + HALT).ljust(FUNCTION - ENTRY, b"\x90") + b"\xc3"
        symbols = symbol_sections([Symbol("start", ENTRY, 0x40), Symbol("function", FUNCTION, 1)])
        (folder / name).write_bytes(elf([load(text, memsz=0x2000), notes(note())], symbols))
    words = ("--vmm", ",".join(VMMS), "--watch", "2", "--format", "json")
    document = pvhdbg("check", *(folder / name for name in GUESTS), *words).document
    return {(run["kernel"].rpartition("/")[2], run["vmm"]): run["document"] for run in document["runs"]}


def errors(document: Any) -> list[str]:  # noqa: ANN401 - JSON
    found = [item for stop in document["stops"] for item in stop["findings"]]
    return [item["code"] for item in found if item["severity"] == "error"]


@pytest.mark.parametrize(
    ("name", "vmm", "ended", "codes"),
    [
        ("call", "qemu", HALTED, []),
        ("call", "firecracker", DIED, ["PVH937", "PVH930", "PVH900"]),
        ("push", "firecracker", HALTED, ["PVH937"]),
        ("push", "xen-domu", HALTED, ["PVH937"]),
        ("push", "qemu", HALTED, []),
        ("sets-esp", "firecracker", HALTED, []),
        ("reloads-ds", "firecracker", HALTED, []),
        ("reloads-ds", "xen-domu", DIED, ["PVH933", "PVH900"]),
        ("own-gdt", "xen-domu", HALTED, []),
    ],
)
def test_a_trap_kills_only_the_guest_that_is_in_it(
    runs: Runs, name: str, vmm: str, ended: str, codes: list[str]
) -> None:
    document = runs[name, vmm]

    assert ended == document["outcome"]["watched"]["ended"]
    assert codes == errors(document)


def test_the_first_push_that_is_lost_is_in_the_recording(runs: Runs) -> None:
    lost = runs["call", "firecracker"]["machine"]["vmm"]["lost_write"]
    returns_to = struct.pack("<I", ENTRY + 5).hex()

    assert {"paddr": PUSHED, "hex": returns_to, "rip": FUNCTION, "symbol": "function"} == lost
    assert "lost_write" not in runs["sets-esp", "firecracker"]["machine"]["vmm"]


def test_a_lost_write_is_decoded_again(runs: Runs, tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text(json.dumps(runs["call", "firecracker"]))
    decoded = replay.load(path).machine.vmm

    assert decoded is not None
    assert decoded.lost_write == (PUSHED, struct.pack("<I", ENTRY + 5), FUNCTION, "function")


@pytest.mark.parametrize(("size", "codes"), [(2046, set()), (2047, {"PVH325"})])
def test_a_command_line_that_fills_its_room_is_reported(size: int, codes: set[str]) -> None:
    words = ("--vmm", "firecracker", "-a", "x" * size, "--stage", "entry", "--format", "json")
    (stop,) = pvhdbg("dump", guest.ELF, *words).document["stops"]

    assert codes == {item["code"] for item in stop["findings"]} & {"PVH325"}


@pytest.mark.parametrize(("vmm", "codes"), [("firecracker", {"PVH333"}), ("cloud-hypervisor", set())])
def test_an_rsdp_whose_address_is_not_passed_is_reported(vmm: str, codes: set[str]) -> None:
    (stop,) = pvhdbg("dump", guest.ELF, "--vmm", vmm, "--stage", "entry", "--format", "json").document["stops"]

    assert codes == {item["code"] for item in stop["findings"]} & {"PVH330", "PVH333"}
