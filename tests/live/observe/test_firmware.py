"""Who wrote the boot data before the entry: the firmware of each machine, or its DMA transfers."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import pytest

from pvhdbg.boot.who.access import IMMEDIATE, PERHAPS
from pvhdbg.boot.who.answer import CPU, FIRMWARE_DMA, PVHDBG, Answer, WhoResult, Writer
from pvhdbg.boot.who.request import ALL
from pvhdbg.cli.launch import launched_without_gdb
from pvhdbg.cli.options import parse
from pvhdbg.live.observe.who_run import ObservedBoot, earlier_boot, find

if TYPE_CHECKING:
    from pathlib import Path

    from pvhdbg.live.debuggee.stub_machine import StubMachine

MACHINES = ["microvm", "pc", "q35"]
INPUT = ("start_info.", "cmdline", "modules[", "memory_map.")


@cache
def observed(*words: str) -> WhoResult:
    _, options = parse(["dump", *words])
    with launched_without_gdb(options) as session, ObservedBoot(session) as private:
        session.session.run("bootparams")
        return find(private, earlier_boot(session), session.session.history, ALL)


def by_firmware(found: WhoResult) -> list[tuple[Answer, Writer]]:
    return [
        (answer, writer)
        for answer in found.answers
        if answer.path.startswith(INPUT)
        for writer in answer.writers
        if writer.by == CPU and writer.code is not None and not writer.code.source
    ]


@pytest.mark.parametrize("machine", MACHINES)
def test_an_instruction_begins_at_each_address_that_is_named_and_leaves_the_bytes(machine: str, initrd: Path) -> None:
    words = ("-M", machine, "-i", str(initrd))
    writers = [writer for _, writer in by_firmware(observed(*words))]
    rips = {writer.code.rip for writer in writers if writer.code}
    reached = {rip: data for rip, data in after_each(words, rips, writers).items() if data}

    assert rips
    assert rips == reached.keys()


def after_each(words: tuple[str, ...], rips: set[int], writers: list[Writer]) -> dict[int, bool]:
    """Boot to each of these addresses, step, and return for each whether one of its writes is in memory then.

    The guest stops only where an instruction begins.
    """
    _, options = parse(["dump", *words])
    waiting, found = set(rips), {}
    with launched_without_gdb(options) as session:
        machine: StubMachine = session.machine  # type: ignore[assignment]  # launched_without_gdb has no other
        watch = machine.watch()
        while waiting and watch.run(waiting, 60):
            rip = machine.target.register("cs.base") + machine.target.register("rip")
            watch.step()
            found[rip] = any(
                machine.target.read_phys(writer.paddr, writer.size) == writer.data or "rep" in writer.instruction
                for writer in writers
                if writer.code and writer.code.rip == rip
            )
            waiting -= {rip} if found[rip] else set()
    return found


@pytest.mark.parametrize("machine", MACHINES)
def test_the_firmware_is_named_and_its_values_are_not_claimed_to_be_known(machine: str, initrd: Path) -> None:
    found = observed("-M", machine, "-i", str(initrd))
    (magic,) = (answer for answer in found.answers if answer.path == "start_info.magic")
    programs = {writer.code.symbol for _, writer in by_firmware(found) if writer.code}

    assert ((), ()) == (found.unexplained, found.different)
    assert IMMEDIATE == magic.writers[0].confidence
    assert {IMMEDIATE, PERHAPS} == {writer.confidence for _, writer in by_firmware(found)}
    assert programs <= {"qboot", "SeaBIOS", "pvh.bin", "firmware"}
    if machine != "microvm":
        assert magic.writers[0].code is not None
        assert "pvh.bin" == magic.writers[0].code.symbol


@pytest.mark.parametrize("machine", MACHINES)
def test_the_command_line_comes_from_the_fw_cfg_device(machine: str, initrd: Path) -> None:
    found = observed("-M", machine, "-i", str(initrd))
    (cmdline,) = (answer for answer in found.answers if answer.path == "cmdline")

    # 0x15 is FW_CFG_CMDLINE_DATA in QEMU's include/standard-headers/linux/qemu_fw_cfg.h.
    assert (FIRMWARE_DMA, "fw_cfg item 0x15", "dma") == (
        cmdline.writers[0].by,
        cmdline.writers[0].instruction,
        cmdline.writers[0].confidence,
    )
    assert cmdline.writers[0].data.startswith(b"console=ttyS0")


def test_what_pvhdbg_changes_at_the_entry_comes_after_the_firmware() -> None:
    found = observed("--set", 'cmdline="quiet"')
    (cmdline,) = (answer for answer in found.answers if answer.path == "cmdline")

    assert [PVHDBG, FIRMWARE_DMA] == [writer.by for writer in cmdline.writers]
    assert ((), ()) == (found.unexplained, found.different)
