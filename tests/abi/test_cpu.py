"""The CPU mode from the known registers, the control bits, and the state that the ABI requires."""

import pytest

from pvhdbg.abi.cpu import (
    CPU_MODES,
    CR0,
    CR4,
    EFER,
    EFLAGS,
    ENTRY_STATE,
    MONITOR_REGISTERS,
    REGISTERS,
    SEGMENTS,
    cpu_mode,
    segment_kind,
)
from pvhdbg.abi.layout import Bits

PE, PE_PG, PSE, PAE = 0x11, 0x80000011, 0x10, 0x20
LME, LMA = 0x100, 0x500
CODE16, CODE32_TCG, CODE32_KVM, CODE64 = 0x9B00, 0xCF9B00, 0xC09B00, 0xAF9B00

# The registers as QEMU reports them, and the mode. None means that a register is not reported.
MODES: dict[str, tuple[dict[str, int | None], str]] = {
    "at reset": ({"rip": 0xFFF0, "cr0": 0x60000010, "cr4": 0, "efer": 0, "cs.flags": CODE16}, "real16"),
    "real mode, only CR0 known": ({"cr0": 0x60000010}, "real16"),
    "firmware's 16-bit protected code": (
        {"rip": 0x40, "cr0": PE, "cr4": 0, "efer": 0, "cs.flags": CODE16},
        "protected16",
    ),
    "the PVH entry, TCG": ({"rip": 0x1000850, "cr0": PE, "cr4": 0, "efer": 0, "cs.flags": CODE32_TCG}, "protected32"),
    "the PVH entry, KVM": ({"rip": 0x1000850, "cr0": PE, "cr4": 0, "efer": 0, "cs.flags": CODE32_KVM}, "protected32"),
    "the PVH entry without a monitor": ({"rip": 0x1000850, "cr0": PE, "cr4": 0, "efer": 0}, "protected32"),
    "low code without a monitor": ({"rip": 0x7C00, "cr0": PE, "cr4": 0, "efer": 0, "cs.flags": None}, "unknown"),
    "32-bit Linux without PAE": ({"cr0": PE_PG, "cr4": PSE, "efer": 0, "cs.flags": CODE32_TCG}, "paged32"),
    "32-bit paging, EFER unknown": ({"cr0": PE_PG, "cr4": PSE, "cs.flags": CODE32_TCG}, "paged32"),
    "32-bit Linux with PAE": ({"cr0": PE_PG, "cr4": PAE, "efer": 0, "cs.flags": CODE32_KVM}, "pae32"),
    "32-bit Linux with PAE and NX": ({"cr0": PE_PG, "cr4": PAE, "efer": 0x800, "cs.flags": None}, "pae32"),
    "PAE, EFER unknown": ({"rip": 0x1000, "cr0": PE_PG, "cr4": PAE, "cs.flags": CODE32_TCG}, "unknown"),
    "PG without CR4 and EFER": ({"cr0": PE_PG}, "unknown"),
    "EFER without LMA, CR4 unknown": ({"cr0": PE_PG, "efer": 0, "cs.flags": CODE32_TCG}, "unknown"),
    "16-bit code with paging": ({"cr0": PE_PG, "cr4": PAE, "efer": 0, "cs.flags": CODE16}, "protected16"),
    "LME before paging": (
        {"rip": 0x1000890, "cr0": PE, "cr4": PAE, "efer": LME, "cs.flags": CODE32_TCG},
        "protected32",
    ),
    "between paging and the far jump": (
        {"rip": 0x10008B0, "cr0": PE_PG, "cr4": PAE, "efer": LMA, "cs.flags": CODE32_TCG},
        "compat32",
    ),
    "startup_64": ({"rip": 0x1000B53, "cr0": PE_PG, "cr4": PAE, "efer": LMA, "cs.flags": CODE64}, "long64"),
    "long mode, low code, no monitor": ({"rip": 0x1000B53, "cr0": PE_PG, "cr4": PAE, "efer": LMA}, "unknown"),
    "long mode, 16-bit code": ({"rip": 0x1000, "cr0": PE_PG, "cr4": PAE, "efer": LMA, "cs.flags": CODE16}, "unknown"),
    "xen_prepare_pvh without a monitor": (
        {"rip": 0xFFFFFFFF8305A1FF, "cr0": PE_PG, "cr4": PAE, "efer": LMA},
        "long64",
    ),
    "a stub that reports only RIP": ({"rip": 0xFFFFFFFF8305A1FF}, "long64"),
    "a stub that reports a low RIP": ({"rip": 0x1000850, "cr0": None}, "unknown"),
    "nothing": ({}, "unknown"),
}


@pytest.mark.parametrize("case", MODES)
def test_the_cpu_mode_follows_from_the_known_registers(case: str) -> None:
    registers, expected = MODES[case]

    assert expected == cpu_mode(registers)


def test_the_cases_cover_every_cpu_mode() -> None:
    assert set(CPU_MODES) == {mode for _, mode in MODES.values()}


def test_every_register_is_listed_once_and_the_monitors_registers_come_last() -> None:
    assert len(set(REGISTERS)) == len(REGISTERS)
    assert REGISTERS[-len(MONITOR_REGISTERS) :] == MONITOR_REGISTERS


def test_every_segment_has_a_selector_base_limit_and_flags() -> None:
    expected = {name for part in SEGMENTS for name in (part, f"{part}.base", f"{part}.limit", f"{part}.flags")}

    assert set() == expected - set(REGISTERS)


def test_common_values_are_shown_as_bit_names() -> None:
    assert "PE | ET | PG" == CR0.text(0x80000011)
    assert "PSE | PAE | PGE" == CR4.text(0xB0)
    assert "LME | LMA" == EFER.text(0x500)
    assert "FIXED | PF | IF" == EFLAGS.text(0x206)


@pytest.mark.parametrize("bits", [CR0, CR4, EFER, EFLAGS])
def test_every_named_mask_is_a_single_bit_and_has_a_meaning(bits: Bits) -> None:
    assert [] == [mask for mask, bit in bits.names.items() if mask.bit_count() != 1 or not bit.meaning]


def test_the_kind_of_a_segment_follows_from_its_flags_under_tcg_and_kvm() -> None:
    assert ["32-bit code", "32-bit code", "64-bit code", "16-bit code"] == [
        segment_kind(flags) for flags in (CODE32_TCG, CODE32_KVM, CODE64, CODE16)
    ]
    assert ["32-bit data", "TSS, busy", "LDT", "not present", "trap gate"] == [
        segment_kind(flags) for flags in (0xCF9300, 0x8B00, 0x8200, 0, 0x8F00)
    ]


# QEMU 7.2 at the PVH entry. Under TCG the flags include bits 16 to 19 of the limit.
AT_ENTRY = {
    "cr0": 0x11,
    "cr4": 0,
    "eflags": 0x6,
    **{f"{segment}.base": 0 for segment in ("cs", "ds", "es", "ss", "tr")},
    **{f"{segment}.limit": 0xFFFFFFFF for segment in ("cs", "ds", "es", "ss")},
    **{f"{segment}.flags": 0xCF9300 for segment in ("ds", "es", "ss")},
    "cs.flags": CODE32_TCG,
    "tr.limit": 0xFFFF,
    "tr.flags": 0x8B00,
}


def unmet(registers: dict[str, int]) -> list[str]:
    return [state.register for state in ENTRY_STATE if not state.is_met_by(registers[state.register])]


def test_qemu_violates_only_the_requirement_on_the_limit_of_tr() -> None:
    assert ["tr.limit"] == unmet(AT_ENTRY)


def test_a_machine_with_a_correct_tss_meets_every_requirement_under_kvm_too() -> None:
    registers = AT_ENTRY | {"tr.limit": 0x67, "cs.flags": CODE32_KVM, "ds.flags": 0xC09300}

    assert [] == unmet(registers)


@pytest.mark.parametrize(
    ("register", "value"),
    [
        ("cr0", 0x10),
        ("cr0", 0x80000011),
        ("cr0", 0x60000011),
        ("cr4", 0x20),
        ("eflags", 0x202),
        ("eflags", 0x102),
        ("eflags", 0x20002),
        ("cs.base", 0xF0000),
        ("cs.limit", 0xFFFF),
        ("cs.flags", CODE16),
        ("cs.flags", 0xCF9300),
        ("ds.flags", 0xCF9100),
        ("ds.flags", CODE32_TCG),
        ("es.flags", 0x9300),
        ("ss.flags", 0),
        ("tr.flags", 0x8900),
        ("tr.base", 0x1000),
    ],
)
def test_a_value_that_violates_a_requirement_is_detected(register: str, value: int) -> None:
    assert register in unmet(AT_ENTRY | {"tr.limit": 0x67} | {register: value})


def test_every_requirement_names_an_existing_register_and_a_reason() -> None:
    assert [] == [
        state for state in ENTRY_STATE if state.register not in REGISTERS or not (state.meaning and state.why)
    ]


def test_only_the_requirements_on_ss_were_added_later() -> None:
    assert {"ss.base", "ss.limit", "ss.flags"} == {state.register for state in ENTRY_STATE if state.added_later}
