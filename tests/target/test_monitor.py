import pytest

from pvhdbg.errors import TargetError
from pvhdbg.target import monitor

PROTECTED = """
CPU#0\r
EAX=2badb002 EBX=000f31e0 ECX=01000850 EDX=00000511\r
EIP=01000850 EFL=00000006 [-----P-] CPL=0 II=0 A20=1 SMM=0 HLT=0\r
ES =0010 00000000 ffffffff 00cf9300 DPL=0 DS   [-WA]\r
CS =0008 00000000 ffffffff 00cf9b00 DPL=0 CS32 [-RA]\r
LDT=0000 00000000 0000ffff 00008200 DPL=0 LDT\r
TR =0000 00000000 0000ffff 00008b00 DPL=0 TSS32-busy\r
GDT=     ffffffc1 00000027\r
IDT=     00000000 0000ffff\r
"""

LONG = """
CPU#0
RIP=ffffffff8305a1ff RFL=00000046 [---Z-P-] CPL=0 II=0 A20=0 SMM=0 HLT=0
CS =0010 0000000000000000 ffffffff 00af9b00 DPL=0 CS64 [-RA]
FS =0000 0000000000000000 00000000 00000000
TR =0040 fffffe0000003000 00004087 00008900 DPL=0 TSS64-avl
GDT=     fffffe0000001000 0000007f
CPU#1
CS =f000 00000000ffff0000 0000ffff 00009b00
TR =0000 0000000000000000 0000ffff 00008b00
"""


def test_the_hidden_registers_of_32_bit_mode_are_parsed() -> None:
    registers = monitor.parse_registers(PROTECTED)

    assert {"cs.base": 0, "cs.limit": 0xFFFFFFFF, "cs.flags": 0xCF9B00}.items() <= registers.items()
    assert {
        "tr": 0,
        "tr.base": 0,
        "tr.limit": 0xFFFF,
        "tr.flags": 0x8B00,
        "ldt.flags": 0x8200,
    }.items() <= registers.items()
    assert {"gdtr.base": 0xFFFFFFC1, "gdtr.limit": 0x27, "idtr.limit": 0xFFFF, "a20": 1}.items() <= registers.items()


def test_registers_are_those_of_the_first_cpu() -> None:
    registers = monitor.parse_registers(LONG)

    assert (0, 0xAF9B00, 0x40, 0xFFFFFE0000003000) == tuple(
        registers[name] for name in ("cs.base", "cs.flags", "tr", "tr.base")
    )
    assert (0xFFFFFE0000001000, 0) == (registers["gdtr.base"], registers["a20"])


def test_registers_that_the_stub_has_are_not_taken_from_the_monitor() -> None:
    assert set(monitor.parse_registers(PROTECTED)) <= monitor.NAMES
    assert "cs" not in monitor.parse_registers(PROTECTED)


def test_registers_that_cannot_be_parsed_are_left_out() -> None:
    assert {} == monitor.parse_registers("CS =zzzz\nTR =12\nsomething else\x00\xff")


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        (["EFL=00000002 [-] HLT=1"], {"cpus.running": 0, "cpus.others-running": 0}),
        (["RFL=00000002 [-] HLT=0"], {"cpus.running": 1, "cpus.others-running": 0}),
        (["RFL=00000202 [-] HLT=1"], {"cpus.running": 1, "cpus.others-running": 0}),
        (["EFL=00000002 [-] HLT=1"] * 2, {"cpus.running": 0, "cpus.others-running": 0}),
        (["RFL=00000002 [-] HLT=1", "EFL=00000002 [-] HLT=0"], {"cpus.running": 1, "cpus.others-running": 1}),
        (["RFL=00000202 [-] HLT=1", "RFL=00000206 [-] HLT=1"], {"cpus.running": 2, "cpus.others-running": 1}),
        (["unknown command"], {}),
    ],
    ids=["halted", "busy", "idle", "both halted", "the other busy", "both idle", "no CPU"],
)
def test_a_cpu_that_waits_with_interrupts_disabled_does_not_run(states: list[str], expected: dict[str, int]) -> None:
    assert expected == monitor.count_cpus("\n".join(f"EIP=0 {state}" for state in states))


def test_with_another_cpu_running_its_triple_fault_is_not_ruled_out() -> None:
    alone, together = (monitor.describe_death("shutdown", others) for others in (0, 1))

    assert alone == monitor.DEATHS["shutdown"] != together
    assert monitor.describe_death("internal-error", 1) == monitor.DEATHS["internal-error"]
    assert monitor.describe_death("running", 0) is None


def test_the_lines_of_a_memory_dump_are_joined() -> None:
    text = "0000000000001000: 0x78 0xc5 0x6e 0x33\n0000000000001004: 0x01\nCannot access memory\n"

    assert b"\x78\xc5\x6e\x33\x01" == monitor.parse_memory(text)


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("VM status: running\r\n", "running"),
        ("VM status: paused\r\n", "paused"),
        ("VM status: paused (shutdown)\r\n", "shutdown"),
        ("VM status: paused (internal-error)\n", "internal-error"),
        ("unknown command: 'info status'\n", None),
        ("", None),
    ],
)
def test_the_run_state_in_parentheses_is_preferred(text: str, state: str | None) -> None:
    assert state == monitor.parse_run_state(text)


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("7.2.22Debian 1:7.2+dfsg-7+deb12u18\r\n", "7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)"),
        ("8.2.0 (qemu-8.2.0-1.fc40)\n", "8.2.0 (qemu-8.2.0-1.fc40)"),
        ("10.0.2\n", "10.0.2"),
        ("", ""),
    ],
)
def test_the_version_is_separated_from_the_package(text: str, version: str) -> None:
    assert version == monitor.parse_version(text)


@pytest.mark.parametrize("message", ["unable to read memory", "Cannot access memory"])
def test_an_unmapped_address_has_no_instructions(message: str) -> None:
    listing = f"0x0100004d: {message}\r\n"

    assert [] == list(monitor.disassemble(lambda _: listing, 0x100004D, 4))


def test_without_a_monitor_there_are_no_instructions() -> None:
    def refuse(command: str) -> str:
        raise TargetError(command)

    assert ["0x10: fc  cld", "0x11: c3  ret"] == monitor.disassemble(
        lambda _: "0x10: fc  cld  \r\n0x11: c3  ret\n", 16, 2
    )
    assert [] == list(monitor.disassemble(refuse, 16, 2))


MTREE = """FlatView #0\r
 AS "I/O", root: io\r
 Root memory region: io\r
  0000000000000000-000000000000001f (prio 0, i/o): io\r
\r
FlatView #1\r
 AS "memory", root: system\r
 AS "cpu-memory-0", root: system\r
 Root memory region: system\r
  0000000000000000-000000000009ffff (prio 0, ram): pc.ram\r
  00000000000a0000-00000000000bffff (prio 1, i/o): vga-lowmem\r
  00000000000c0000-00000000000dffff (prio 1, rom): pc.rom @0000000000020000 KVM\r
  00000000fee00000-00000000feefffff (prio -4096, i/o): apic-msi\r
\r
FlatView #2\r
 AS "cpu-smm-0", root: memory\r
  0000000000000000-000000001fffffff (prio 0, ram): pc.ram\r
"""


def test_memory_regions_are_those_that_the_cpu_sees() -> None:
    assert (
        monitor.Region(0, 0xA0000, "ram", "pc.ram"),
        monitor.Region(0xA0000, 0xC0000, "i/o", "vga-lowmem"),
        monitor.Region(0xC0000, 0xE0000, "rom", "pc.rom"),
        monitor.Region(0xFEE00000, 0xFEF00000, "i/o", "apic-msi"),
    ) == monitor.parse_regions(MTREE.replace("\r", ""))


@pytest.mark.parametrize("text", ["", "Unknown command", MTREE.replace("memory", "other")])
def test_an_answer_without_a_memory_view_has_no_regions(text: str) -> None:
    assert () == monitor.parse_regions(text)
