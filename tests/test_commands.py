"""The command table: help, completion, errors, and every command on a recording."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pvhdbg import commands
from pvhdbg.boot.record.document import DEAD, Death, Outcome
from pvhdbg.boot.record.replay import load
from pvhdbg.boot.session.protocol import Session
from pvhdbg.boot.session.recorded import RecordedSession
from pvhdbg.boot.stop import stages
from pvhdbg.commands import COMMANDS, complete, help_text, run
from pvhdbg.commands.definitions import INSTRUCTIONS
from pvhdbg.errors import PvhdbgError
from pvhdbg.views.to_json import document_json
from tests import build
from tests.recordings.answers import FILE, answers

NEED_A_MACHINE = {"who", "back", "next-stage", "run-to", "set", "protocol"}
"""Commands that fail in a recording."""

BY_NAME = pytest.mark.parametrize("name", list(COMMANDS))


@pytest.fixture
def session() -> Session:
    return RecordedSession(build.boot())


@pytest.fixture
def example_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Run the examples in a temporary folder with a recording called boot.json."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "boot.json").write_text(document_json.dumps(build.boot()))
    return tmp_path


def refused(session: Session, line: str) -> PvhdbgError:
    """Run a line that must fail, and return its error."""
    with pytest.raises(PvhdbgError) as error:
        run(session, line)
    assert "\n" not in str(error.value)
    return error.value


@BY_NAME
def test_every_command_has_help_and_an_example(name: str) -> None:
    text = help_text(name)

    assert COMMANDS[name].run.__doc__
    assert text.startswith(f"{name} {COMMANDS[name].usage}".rstrip() + "\n")
    assert f"Example: {name}" in text
    assert COMMANDS[name] == commands.parse(COMMANDS[name].example)[0]
    assert commands.parse(COMMANDS[name].example) == commands.parse(f"pvh {COMMANDS[name].example}")


def test_help_lists_every_command_once() -> None:
    names = [line.split()[0] for line in help_text().splitlines()[:-1]]

    assert list(COMMANDS) == names


@BY_NAME
def test_every_command_answers_from_a_recording_or_refuses_to_run(
    name: str, session: Session, example_folder: Path
) -> None:
    assert example_folder.is_dir()
    example = COMMANDS[name].example
    if name == "code":
        example = "code"
    if name in NEED_A_MACHINE:
        assert "recording" in str(refused(session, example))
    elif name == "start-info":
        assert "start_info: not captured: 40 bytes at 0x21e0" == run(session, example)
    else:
        assert len(run(session, example)) > 10


@pytest.mark.parametrize("stage", [*stages.NAMES, stages.DIED])
@pytest.mark.parametrize("name", [name for name in COMMANDS if "@STAGE" in COMMANDS[name].takes and name != "diff"])
def test_every_command_with_a_stage_answers_for_every_stage(name: str, stage: str, session: Session) -> None:
    if stage == stages.DIED:
        assert "no capture at stage" in str(refused(session, f"{name} @{stage}"))
    else:
        assert "" != run(session, f"{name} @{stage}")


def test_the_answers_about_a_recording_are_unchanged() -> None:
    assert FILE.read_text("utf-8") == answers()


def test_info_shows_where_the_machine_is_and_which_structures_exist(session: Session) -> None:
    lines = run(session, "info @prepare").splitlines()

    assert "prepare: the first instruction of xen_prepare_pvh" == lines[0]
    assert "  pvh_start_info  0x310d2e0  identical to start_info" in lines
    assert "  pvh_bootparams  -          not valid before stage bootparams" in lines


def test_the_last_capture_of_a_structure_that_no_longer_exists_is_shown(session: Session) -> None:
    then, now = run(session, "memmap @bootparams"), run(session, "memmap")

    assert f"memory_map: no longer valid at stage e820; last captured at stage bootparams:\n{then}" == now


def test_start_info_decodes_memory_at_any_address(session: Session) -> None:
    by_number = run(session, f"start-info {build.START_INFO:#x} @entry")
    by_register = run(session, "start-info $rbx @entry")

    assert run(session, "start-info @entry") == by_number == by_register


def test_an_address_may_be_a_symbols_link_address(session: Session) -> None:
    assert "hvm_start_info at 0x310d2e0" in run(session, "start-info pvh_start_info @prepare")
    assert "not captured" in run(session, "start-info pvh_start_info+0x1000 @prepare")
    assert "above 4 GiB" in str(refused(session, "start-info 0x100000000 @prepare"))


def test_a_field_of_boot_params_is_found_by_the_end_of_its_path(session: Session) -> None:
    lines = run(session, "bootparams hdr.type_of_loader e820_entries @bootparams").splitlines()

    assert ["pvh_bootparams, struct boot_params at 0x310d320", "hdr.type_of_loader", "e820_entries"] == [
        lines[0],
        lines[2].split()[1],
        lines[1].split()[1],
    ]
    assert run(session, "bootparams kernel_boot_params.hdr.version") == run(session, "bootparams hdr.version")


def test_a_structure_in_boot_params_is_shown_with_its_fields(session: Session) -> None:
    header = run(session, "bootparams hdr @bootparams")
    table = run(session, "bootparams e820_table @bootparams").splitlines()

    assert {"hdr.setup_sects", "hdr.kernel_info_offset"} < set(header.split())
    assert 2 + len(build.MAP) + 1 == len(table)
    assert "e820_table[3].type" in run(session, "bootparams e820_table[3].type")


def test_an_unknown_field_of_boot_params_is_a_user_error(session: Session) -> None:
    assert 'boot_params has no field "nonsense"' == str(refused(session, "bootparams nonsense"))
    assert refused(session, "bootparams ''").exit_status == 2


def test_cpu_compares_with_the_abi_only_at_the_entry(session: Session) -> None:
    entry, later = run(session, "cpu @entry"), run(session, "cpu @prepare")

    assert "  !  tr.limit  0xffff" in entry
    assert "  =  cr0       0x11" in entry
    assert "tr.limit" not in later
    assert "@entry" in later


def test_code_of_a_past_stage_is_raw_bytes(session: Session) -> None:
    lines = run(session, "code @entry").splitlines()

    assert "raw bytes at physical address 0x1000850:" == lines[0]
    assert lines[1].startswith("  0x1000850  ")
    assert "no bytes were captured at physical address 0x123" == run(session, "code 0x123 @entry")


class Disassembling(RecordedSession):
    """A session that disassembles as a live one does."""

    def disassemble(self, address: int, count: int) -> list[str]:
        return [f"{address + offset:#x}:\tnop\x1b" for offset in range(count)]


def test_code_is_disassembled_only_at_the_current_stage_and_not_in_real_mode() -> None:
    document = build.boot()
    session = Disassembling(document)
    last = document.stops[-1]
    in_real_mode = last._replace(cpu_mode="real16")
    lines = [f"{0x1234 + offset:#x}:\\x09nop\\x1b" for offset in range(INSTRUCTIONS)]

    assert lines == run(session, "code 0x1234").splitlines()
    assert run(session, "code").startswith(f"{last.rip:#x}:")
    assert "raw bytes" in run(session, "code @entry")
    assert "nop" not in run(Disassembling(document._replace(stops=(in_real_mode,))), "code 0x1234")


def test_diff_compares_with_the_previous_stage_or_the_named_stage(session: Session) -> None:
    assert run(session, "diff").startswith("kernel -> e820\n")
    assert run(session, "diff entry @bootparams").startswith("entry -> bootparams\n")
    assert "no capture before stage entry" == str(refused(session, "diff @entry"))


def test_dump_writes_the_recording_that_is_open(session: Session, tmp_path: Path) -> None:
    path = tmp_path / "with blank.json"

    answer = run(session, f"dump '{path}'")

    assert f"wrote 5 stages to {path}" == answer
    assert json.loads(document_json.dumps(build.boot())) == json.loads(path.read_text())
    assert "cannot write: Is a directory" in str(refused(session, f"dump {tmp_path}"))


@pytest.mark.parametrize("command", ["dump", "open"])
def test_a_file_in_the_home_folder_of_an_unknown_user_is_rejected(session: Session, command: str) -> None:
    assert "~no such user/x: no such user" == str(refused(session, f"{command} '~no such user/x'"))


def test_an_open_recording_answers_until_it_is_closed(session: Session, tmp_path: Path) -> None:
    path = tmp_path / "short.json"
    boot = build.boot()
    path.write_text(document_json.dumps(boot._replace(stops=boot.stops[:2])))

    opened = run(session, f"open {path}")

    assert "*  prepare" in opened
    assert "not in this recording  the return from e820__memory_setup" in opened
    assert run(session, "info").startswith("prepare:")
    assert "closed the recording" == run(session, "open")
    assert run(session, "info").startswith("e820:")


def test_in_a_recording_open_needs_a_file(session: Session) -> None:
    assert "open: missing FILE" == str(refused(session, "open"))


def test_after_a_death_commands_answer_from_the_death_and_then_from_the_last_stage_that_has_the_data() -> None:
    boot = build.boot()
    dead = boot.stops[1]._replace(stage=stages.DIED, cmdline=None)
    stops = (*boot.stops[:2], dead)
    died = RecordedSession(
        boot._replace(stops=stops, outcome=Outcome("prepare", DEAD, Death("triple-fault", 1, None, "")))
    )

    assert run(died, "info").startswith("died:")
    assert run(died, "cpu @died") == run(died, "cpu")
    assert run(died, "cmdline").splitlines()[1:] == run(died, "cmdline @prepare").splitlines()
    assert ["entry", "prepare", "bootparams", "kernel", "e820", "*"] == [
        line.split()[0] for line in run(died, "stages").splitlines()
    ]


def test_a_recording_without_captures_answers_only_stages() -> None:
    empty = RecordedSession(build.boot()._replace(stops=()))

    assert "no captures: the guest reached no stage" == str(refused(empty, "info"))
    assert "not in this recording" in run(empty, "stages")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", "no command"),
        ("   ", "no command"),
        ("nonsense", 'no such command: "nonsense"'),
        ("'", '"\'": missing closing quote'),
        ("\\", '"\\\\": missing character after the backslash'),
        ("st", 'ambiguous command "st": start-info, stages'),
        ("run-to", "usage: run-to STAGE [KERNEL|ADDRESS]"),
        ("run-to entry /boot/vmlinux now", "usage: run-to STAGE [KERNEL|ADDRESS]"),
        ("run-to entry 0x1000000", "run-to: not available in a recording"),
        ("run-to nowhere", 'no such stage: "nowhere"'),
        ("protocol nothing", 'no such protocol: "nothing"'),
        ("stages @entry", "usage: stages"),
        ("dump", "usage: dump FILE"),
        ("info @nowhere", 'unknown stage: "nowhere"'),
        ("code 0x", '"0x": not a number'),
        ("code 1 2", '"1 2": not an address'),
        ("code $nonsense", "$nonsense: not captured at e820"),
        ("code nonsense", "no symbol nonsense"),
        ("open nowhere.json", "nowhere.json: No such file or directory"),
        ("explain nonsense-at-all", 'unknown name: "nonsense-at-all"'),
        ("\x1b[2J", r'no such command: "\x1b[2J"'),
    ],
)
def test_an_error_is_one_line(line: str, expected: str, session: Session) -> None:
    assert expected == str(refused(session, line))


@pytest.mark.parametrize(
    ("hint", "expected"),
    [
        (None, None),
        ("use `help` for the list of commands", "use `pvh help` for the list of commands"),
        ("use `info @STAGE` or `run-to`", "use `pvh info @STAGE` or `pvh run-to`"),
        ("write one with `pvhdbg dump -o FILE`", "write one with `pvhdbg dump -o FILE`"),
    ],
)
def test_a_hint_in_gdb_has_pvh_before_the_commands(hint: str | None, expected: str | None) -> None:
    assert expected == commands.prefixed(hint)


def test_an_unambiguous_prefix_calls_a_command(session: Session) -> None:
    assert run(session, "mod @entry") == run(session, "modules @entry")
    assert "code" == commands.find("co").name


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", list(COMMANDS)),
        ("ma", ["map"]),
        ("  mem", ["memmap"]),
        ("run-to ", sorted(stages.NAMES)),
        ("run-to p", ["prepare"]),
        ("memmap @e", ["@e820", "@entry"]),
        ("bootparams hdr.type", ["hdr.type_of_loader"]),
        ("bootparams hdr.version e820_en", ["e820_entries"]),
        ("explain CR0.P", ["CR0.PE", "CR0.PG"]),
        ("help nex", ["next-stage"]),
        ("dump ", []),
        ("nonsense x", []),
    ],
)
def test_the_last_word_is_completed(line: str, expected: list[str]) -> None:
    assert expected == complete(line)


def test_every_completion_of_a_field_is_a_field(session: Session) -> None:
    offered = [word for word in complete("bootparams ") if not word.startswith("@")]

    assert len(offered) > 150
    assert [] == [word for word in offered if "no field" in run(session, f"bootparams {word}")]


def test_answers_about_random_memory_contain_no_escape_sequence() -> None:
    stops = tuple(build.capture_target(build.RandomTarget(seed), stage) for seed, stage in enumerate(stages.NAMES))
    noisy = RecordedSession(build.boot()._replace(stops=stops))

    for name in COMMANDS:
        if "@STAGE" in COMMANDS[name].takes:
            for stage in (stages.NAMES[1], stages.NAMES[-1]):
                assert "\x1b" not in run(noisy, f"{name} @{stage}")


def test_a_recording_read_from_a_file_answers_as_before(session: Session, tmp_path: Path) -> None:
    path = tmp_path / "boot.json"
    run(session, f"dump {path}")
    again = RecordedSession(load(path))

    for name in COMMANDS:
        if "@STAGE" in COMMANDS[name].takes:
            assert run(session, name) == run(again, name)


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("run-to", "try `run-to bootparams`"),
        ("stagse", "did you mean `stages`?"),
        ("xyzzy", "use `help` for the list of commands"),
        ("run-to nowhere", "use one of: entry, prepare, bootparams, kernel, e820"),
        ("info @nowhere", "use one of: entry, prepare, bootparams, kernel, e820"),
    ],
)
def test_the_hint_shows_how_to_fix_the_line(line: str, hint: str, session: Session) -> None:
    assert hint == refused(session, line).hint
