"""Boots that were changed at their entry: pvhdbg reports the change, and the model predicts what the real kernel does.

Each row is a call of `pvhdbg check` within this process.
"""

from __future__ import annotations

import shlex
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import pytest

from pvhdbg import guest
from pvhdbg.abi.boot_params import BootParams
from pvhdbg.boot.model.expected import expected_boot_params
from pvhdbg.boot.model.kernel_behavior import behavior_at
from pvhdbg.boot.model.predicted import BUG, OVERRUN, PAGE_FAULT
from pvhdbg.boot.record.document import DEAD, TIMED_OUT
from pvhdbg.boot.stop.early_maps import KERNEL_MAP, KERNEL_MAP_SIZE, EarlyMaps
from pvhdbg.checks import run
from pvhdbg.checks.finding import ERROR, INFO, SEVERITIES, WARNING
from pvhdbg.cli import options, running
from pvhdbg.cli.launch import launched_without_gdb
from pvhdbg.target.base import DIED, HIT, Halt
from tests import build
from tests.boot import mutations
from tests.boot.laboratory import BLANK, PATIENCE, Experiment
from tests.checks.cases import HARMLESS, harmless
from tests.kernels import MissingError
from tests.qboot import QBOOT

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pvhdbg.boot.record.document import Document
    from pvhdbg.checks.finding import Finding
    from pvhdbg.checks.run import RunFindings
    from tests.build import Range

GIB = 1 << 30
BLOB = BLANK + 0x10000
LONG = "x" * 4150
"""A command line that is too long for pvh.bin's buffer."""

OF_THE_RFC = {"PVH410"}
OF_QBOOT = {"PVH308"}
"""qboot leaves garbage from its stack in a module's cmdline_paddr, which differs from version to version."""
PREPARING = ("xen_prepare_pvh", "init_pvh_bootparams", "rfc_init_bootparams", "map_from_memmap", "map_from_e820_module")
COMPARING = ("strcmp", "strncmp")
UD2 = b"\x0f\x0b"


class End(NamedTuple):
    """How xen_prepare_pvh dies: the kind of death, the field that is to blame, and the page that is not mapped."""

    kind: str
    field: str
    page: int = 0


MAGIC, VERSION, COUNT = (End(BUG, f"start_info.{name}") for name in ("magic", "version", "memmap_entries"))


def fault(field: str, paddr: int = GIB) -> End:
    """Return the end of a kernel that cannot read `paddr`."""
    return End(PAGE_FAULT, field, EarlyMaps().direct_map + paddr)


class Row(NamedTuple):
    """A changed boot, and the codes that `check` must report, each under its worst severity.

    The first code in `errors` must be the first error at the end of the run. `infos` omits the HARMLESS codes. `table`
    is the number of entries of a map that the test writes to BLANK, and in the 2017 RFC format to BLOB. `end` is None
    if the boot reaches the last stage.
    """

    kernel: str
    words: str
    end: End | None
    errors: str = ""
    warnings: str = ""
    infos: str = ""
    table: int = 0

    @property
    def dies(self) -> bool:
        """Whether the guest certainly dies in xen_prepare_pvh. After an overrun it may hang instead."""
        return self.end is not None and self.end.kind != OVERRUN

    def __str__(self) -> str:
        return f"{self.kernel}{f' table of {self.table}' if self.table else ''} {self.words}".strip()


def entries(count: int) -> str:
    return f"--set start_info.memmap_paddr={BLANK:#x} --set start_info.memmap_entries={count}"


FAR_MAP, FURTHER_MAP = (fault("start_info.memmap_paddr", paddr) for paddr in (GIB, 4 * GIB))
FAR_LIST = fault("start_info.modlist_paddr")
FAR_END = End(PAGE_FAULT, "memory_map.nr_entries", KERNEL_MAP + KERNEL_MAP_SIZE)
MAP_AT = "--set start_info.memmap_paddr"
LIST_AT = "-i INITRD --set start_info.modlist_paddr"
AT_BLOB = f"--protocol e820-module --set modules[1].paddr={BLOB:#x} --set modules[1].size=100000"
AS_MODULE = "--protocol e820-module"
NAMED = "--protocol e820-module --set 'modules[1].cmdline=\"{}\"'"
MODULE = "-i INITRD --set modules[0]."

DUMMY = "PVH304 PVH309"
"""For an empty module 0, and for a module 1 that Linux ignores because it is not the map."""

# fmt: off
TABLE = (
    # The structure itself
    Row("teaching", "--set start_info.magic=0", MAGIC, "PVH901 PVH900 PVH101"),
    Row("6.1", "--set start_info.magic=0x41414141", MAGIC, "PVH901 PVH900 PVH101"),
    Row("rfc", "--set start_info.magic=0x336ec579", MAGIC, "PVH901 PVH900 PVH101"),
    Row("teaching", "--set start_info.magic=0 --set start_info.version=0", MAGIC, "PVH901 PVH900 PVH101"),
    Row("6.12", "--set start_info.version=0", VERSION, "PVH901 PVH900 PVH102"),
    Row("6.1", "--set start_info.version=2", None, infos="PVH104"),
    Row("6.12", "--set start_info.flags=0x20000", None, infos="PVH105"),
    Row("6.1", "--set start_info.flags=3 --set start_info.reserved=1", None, infos="PVH106"),
    Row("6.12", "--set start_info.rsdp_paddr=0x60000", None, "", "PVH331"),
    Row("6.1", "-M pc -a LONG --force", MAGIC, "PVH901 PVH900 PVH101 PVH322 PVH341 PVH523"),
    Row("6.12", "-M q35 -a LONG --force", MAGIC, "PVH901 PVH900 PVH101 PVH322 PVH341 PVH523"),
    Row("6.1", "-M q35 -m 3G", None),
    Row("6.12", "-M pc -m 128M -i INITRD", None),
    # The protocol
    Row("teaching", "--protocol v0", VERSION, "PVH901 PVH900 PVH102"),
    Row("6.1", "--protocol v0", VERSION, "PVH901 PVH900 PVH102"),
    Row("6.1", AS_MODULE, VERSION, "PVH901 PVH900 PVH602"),
    Row("6.12", f"-M pc -i INITRD {AS_MODULE}", VERSION, "PVH901 PVH900 PVH602"),
    Row("teaching", AS_MODULE, None),
    Row("rfc", AS_MODULE, None),
    Row("rfc", f"{AS_MODULE} --set start_info.version=1", None),
    Row("rfc", "", None, "PVH601 PVH422"),
    Row("rfc", "-M q35 -i INITRD", None, "PVH601 PVH422"),
    Row("rfc", "--protocol v0", None, "PVH601 PVH422", "PVH102"),
    # The memory map in the memmap table
    Row("6.12", "--set start_info.memmap_entries=0", COUNT, "PVH901 PVH900 PVH103"),
    Row("6.1", entries(1), None, "PVH208", "PVH342 PVH343", table=1),
    Row("6.12", entries(127), None, "", "PVH343", "PVH207", table=127),
    Row("6.1", entries(128), None, "", "PVH343", "PVH207", table=128),
    Row("6.12", entries(129), None, "", "PVH207 PVH343", table=129),
    Row("6.1", f"{entries(173)} --timeout 3", End(OVERRUN, COUNT.field), "PVH904 PVH912 PVH207", "PVH343", table=173),
    Row("6.12", entries(256), None, "PVH422 PVH207", "PVH343", table=256),
    Row("6.1", f"{MAP_AT}=0x40000000", FAR_MAP, "PVH902 PVH900 PVH109 PVH212"),
    Row("6.12", f"{MAP_AT}=0x3fffffe8", FAR_MAP, "PVH902 PVH900 PVH109 PVH212"),
    Row("teaching", f"{MAP_AT}=0x100000000", FURTHER_MAP, "PVH902 PVH900 PVH109 PVH208", "PVH108"),
    Row("6.1", "--set memory_map.entries[1].addr=0", None, "", "PVH202 PVH343"),
    Row("6.12", "--set memory_map.entries[4].size=0x4000000", None, "PVH210", "PVH209"),
    Row("6.1", "--set memory_map.entries[4].addr=0x20000000", None, "PVH213", "PVH209"),
    Row("6.1", "--set memory_map.entries[4].type=0", None, "PVH208", infos="PVH205"),
    Row("6.12", "--set memory_map.entries[4].type=6", None, "PVH208", infos="PVH205"),
    Row("6.1", "--set memory_map.entries[2].type=0xdeadbeef", None, infos="PVH205"),
    Row("6.1", "--set memory_map.entries[1].reserved=7", None, infos="PVH206"),
    Row("6.12", "--set memory_map.entries[4].size=0xfffffffffff00001", None, "PVH422 PVH204"),
    Row("6.1", "--set memory_map.entries[0].type=2 --set memory_map.entries[4].type=2", None, "PVH422 PVH208"),
    # A 32-bit kernel
    Row("6.1-686", "--set start_info.magic=0", MAGIC, "PVH901 PVH900 PVH101"),
    Row("6.1-686", AS_MODULE, VERSION, "PVH901 PVH900 PVH602"),
    Row("6.1-686", f"{MAP_AT}=0x3fffffe0", End(PAGE_FAULT, FAR_MAP.field, 0xFFFFF000), "PVH902 PVH900 PVH109 PVH212"),
    Row("6.1-686", f"{LIST_AT}=0x3000000", End(PAGE_FAULT, FAR_LIST.field, 0xC3000000),
        "PVH902 PVH900 PVH109 PVH304"),
    Row("6.1-686", f"{MODULE}paddr=0x100001000", None, "PVH305 PVH306"),
    Row("6.1-686", entries(129), None, "", "PVH207 PVH343", table=129),
    Row("6.1-686", entries(256), None, "PVH422 PVH207", "PVH343", table=256),
    # The memory map in an "e820 data" module, as in the 2017 RFC protocol
    Row("rfc", NAMED.format("e820 data "), None, "PVH601 PVH422 PVH310", "PVH102", DUMMY),
    Row("rfc", NAMED.format("E820 data"), None, "PVH601 PVH422 PVH310", "PVH102", DUMMY),
    Row("rfc", NAMED.format("initrd"), None, "PVH601 PVH422", "PVH102", DUMMY),
    Row("teaching", NAMED.format("e820 dat"), VERSION, "PVH901 PVH900 PVH102 PVH310", infos=DUMMY),
    Row("rfc", f"{AS_MODULE} --set start_info.nr_modules=1", None, "PVH601 PVH422", "PVH102", "PVH304"),
    Row("rfc", f"{AS_MODULE} --set modules[1].size=8", None, "", "PVH311"),
    Row("rfc", AT_BLOB, None, "", "PVH343", "PVH207", table=128),
    Row("rfc", AT_BLOB, None, "", "PVH207 PVH343", table=129),
    Row("rfc", AT_BLOB, None, "PVH422 PVH207", "PVH343", table=256),
    Row("rfc", f"{AS_MODULE} --set memory_map.nr_entries=0xffffffff", FAR_END,
        "PVH902 PVH900 PVH207 PVH208", "PVH202 PVH311", "PVH205"),
    Row("teaching", f"{AS_MODULE} --set modules[1].paddr=0x3ffffffe", fault("modules[1].paddr"),
        "PVH902 PVH900 PVH109"),
    Row("rfc", f"{AS_MODULE} --set modules[1].cmdline_paddr=0x40000000", fault("modules[1].cmdline_paddr"),
        "PVH902 PVH900 PVH109 PVH601", "PVH102", DUMMY),
    # Modules
    Row("6.1", f"{LIST_AT}=0x40000000", FAR_LIST, "PVH902 PVH900 PVH109 PVH301"),
    Row("6.12", f"{LIST_AT}={BLANK:#x} --set start_info.nr_modules=0xffffffff", None, "PVH304", "PVH301", "PVH309"),
    Row("6.1", "-i INITRD --set start_info.nr_modules=0", None, "PVH303", "PVH302"),
    Row("6.12", f"{MODULE}size=0", None, "PVH304"),
    Row("6.1", f"{MODULE}paddr=0x100001000", None, "PVH305 PVH306"),
    Row("6.12", f"{MODULE}paddr=0x40000000", None, "PVH306"),
    Row("6.1", f"{MODULE}paddr=0x1000000", None, "PVH313 PVH341"),
    Row("6.12", f"{MODULE}paddr=0xf0000 --set modules[0].size=0x10000", None, "PVH306 PVH313 PVH341"),
    Row("teaching", f"{MODULE}reserved=1 --set modules[0].size=0x100000010", None, "PVH305 PVH306"),
    Row("6.1", "-i ELF", None, "PVH313"),
    Row("6.12", "-M q35 -i TEXT", None, "PVH313"),
    Row("6.1", "-i EMPTY", None, "PVH314"),
    # Tables of the firmware
    Row("6.12", "-M q35 --set start_info.rsdp_paddr=0", None, "", "PVH333"),
    Row("6.1", "-M pc --set start_info.rsdp_paddr=0", None, "", "PVH333"),
    Row("6.1", "-M microvm,acpi=off --set memory_map.entries[1].size=0", None, "", "PVH343"),
    # The command line
    Row("6.1", "--set start_info.cmdline_paddr=0", None, "PVH320"),
    Row("6.12", "--set start_info.cmdline_paddr=0x2000000ab", None, "PVH108 PVH320", "PVH342"),
    Row("6.1", "-a LONG", None, "PVH322"),
)
# fmt: on


class Boot(NamedTuple):
    """A row, what `pvhdbg check` captured, and what it reported."""

    row: Row
    run: Document
    checked: RunFindings

    @property
    def findings(self) -> list[Finding]:
        """All findings; the findings at the last stop or at the end of the run come first."""
        return [*(self.checked.ending or self.checked.stops[-1]), *self.checked.all]

    def codes(self, severity: str) -> list[str]:
        """Return the codes whose worst severity is `severity`."""
        worst_by_code: dict[str, str] = {}
        for finding in self.findings:
            severities = (worst_by_code.get(finding.code, INFO), finding.severity)
            worst_by_code[finding.code] = min(severities, key=SEVERITIES.index)
        return [code for code, worst in worst_by_code.items() if worst == severity]

    @property
    def observed_end(self) -> tuple[str, int] | None:
        """The kind of death before xen_prepare_pvh returned, and the page in CR2 after a page fault."""
        last = self.run.stops[-1]
        if self.run.outcome.ended == TIMED_OUT:
            return OVERRUN, 0
        if self.run.outcome.ended != DEAD:
            return None
        assert self.run.kernel is not None
        rip = self.run.kernel.to_paddr(last.registers["rip"] or 0)
        is_bug = last.bytes_at(rip or 0, 2) == UD2
        return (BUG, 0) if is_bug else (PAGE_FAULT, (last.registers["cr2"] or 0) & -4096)

    def experiment(self) -> Experiment:
        """Return what the model expects after the stop at xen_prepare_pvh, and what the kernel did."""
        stops = {stop.stage: stop for stop in self.run.stops}
        assert self.run.kernel is not None
        behavior = behavior_at(stops["prepare"], self.run.kernel, xen=False)
        wanted = expected_boot_params(stops["prepare"], behavior)
        assert wanted is not None
        halt = Halt(DIED if self.run.outcome.died else HIT, self.run.stops[-1].rip)
        return Experiment(behavior, self.run.machine.rewrites, wanted, stops, halt)


def check_boot(
    kernel: str, words: str, initrd: Path, table: int = 0, qemu_args: Sequence[str] = ()
) -> tuple[Document, RunFindings]:
    """Do what `pvhdbg dump` does, and apply the rules.

    A `--timeout` in `words` applies only after the start of xen_prepare_pvh.
    """
    try:
        path = str(mutations.KERNELS[kernel]())
    except MissingError as error:
        pytest.skip(str(error))
    values = {"INITRD": str(initrd), "LONG": LONG, "ELF": str(guest.ELF), "TEXT": "/etc/passwd"}
    values["EMPTY"] = str(empty := initrd.with_name("empty"))
    empty.touch()
    arguments = [values.get(word, word) for word in shlex.split(words)]
    _, chosen = options.parse(["dump", path, *arguments, *qemu_args])
    with launched_without_gdb(chosen) as debuggee:
        if table:
            debuggee.machine.target.write_phys(BLANK, build.memmap(long_map(table)))
            debuggee.machine.target.write_phys(BLOB, build.e820_blob(long_map(table)))
        if "--timeout" in words:
            assert [HIT, HIT] == [halt.kind for halt in debuggee.journey.go("prepare", PATIENCE)]
        document, _ = running.run(debuggee, None)
    return document, run.check_run(document)


def long_map(count: int) -> list[Range]:
    """Return the map of a machine with 512 MiB, extended by a range in every 16 MiB, starting at 64 GiB."""
    usual: list[Range] = [(0, 0x9FC00, 1), (0xD0000, 0x30000, 2), (0x100000, 0x1FF00000, 1)]
    return [*usual, *(((1 << 36) + (index << 24), 0x1000 + index, 2 + index % 4) for index in range(count))][:count]


@pytest.fixture(scope="module", params=TABLE, ids=str)
def boot(request: pytest.FixtureRequest, initrd: Path) -> Boot:
    row = request.param
    assert isinstance(row, Row)
    qemu_args = () if "-M " in row.words else ("--", *QBOOT)
    return Boot(row, *check_boot(row.kernel, row.words, initrd, row.table, qemu_args))


def test_check_reports_the_errors_warnings_and_infos_of_the_row_and_no_others(boot: Boot) -> None:
    row = boot.row
    ignored = HARMLESS | OF_QBOOT | (OF_THE_RFC if row.kernel == "rfc" else set())

    assert sorted(row.errors.split()) == sorted(boot.codes(ERROR))
    assert sorted(row.warnings.split()) == sorted({*boot.codes(WARNING)} - ignored)
    assert sorted(row.infos.split()) == sorted({*boot.codes(INFO)} - ignored)
    for finding in boot.findings:
        rule = run.rules()[finding.code]
        assert finding.severity in (rule.severity, *rule.other_severities), finding


def test_the_cause_of_the_end_is_the_first_error(boot: Boot) -> None:
    errors = [finding.code for finding in boot.findings if finding.severity == ERROR]

    assert boot.row.errors.split()[:1] == errors[:1]


def test_the_kernel_does_what_the_model_predicts(boot: Boot) -> None:
    experiment, end = boot.experiment(), boot.row.end
    death = experiment.expected.death if experiment.expected.death and experiment.expected.death.certain else None

    assert None is experiment.deviation()
    assert (end and (end.kind, end.field)) == (death and (death.kind, death.field))
    assert (end and (end.kind, end.page)) == boot.observed_end
    assert ("prepare" if end else "e820") == boot.run.outcome.reached


def test_the_model_knows_every_byte_except_hdr_version_unless_the_kernel_dies(boot: Boot) -> None:
    expected = boot.experiment().expected
    unknown = [at for at, known in enumerate(expected.known) if not known]

    assert (list(range(BootParams.SIZE)) if boot.row.dies else [0x206, 0x207]) == unknown


def test_the_kernel_dies_in_a_function_that_reads_the_boot_data(boot: Boot) -> None:
    died = boot.run.outcome.died
    functions = {died.symbol.partition("+")[0]} if died and died.symbol else set()

    assert boot.row.dies == bool(functions)
    assert functions <= {*PREPARING, *COMPARING}


def test_a_kernel_that_does_not_fit_in_memory_dies_before_xen_prepare_pvh(initrd: Path) -> None:
    document, checked = check_boot("6.1", "-m 32M --force", initrd)
    boot = Boot(Row("6.1", "-m 32M", None), document, checked)

    assert (DEAD, "entry") == (document.outcome.ended, document.outcome.reached)
    # SeaBIOS, which boots a microvm with QEMU 10, has its tables at the end of RAM, where this kernel is.
    assert ["PVH933", "PVH900", "PVH507"] == [code for code in boot.codes(ERROR) if code != "PVH344"]


@pytest.mark.parametrize("kernel", ["teaching", "6.1", "6.12"])
def test_the_cause_of_death_of_a_64_bit_kernel_on_a_32_bit_cpu_is_the_missing_long_mode(
    kernel: str, initrd: Path
) -> None:
    document, checked = check_boot(kernel, "--cpu qemu32", initrd)
    first, *_ = checked.stops[-1]

    assert (DEAD, "entry") == (document.outcome.ended, document.outcome.reached)
    assert ["PVH911", "PVH900"] == Boot(Row(kernel, "", None), document, checked).codes(ERROR)
    assert "machine.cpu" == first.field
    assert first.message.startswith("the CPU (qemu32) has no long mode")


UNCHANGED = [
    (kernel, machine, ("", "-i INITRD")[(i + j) % 2])
    for i, kernel in enumerate(("teaching", "6.1", "6.12"))
    for j, machine in enumerate(("microvm", "pc", "q35"))
]
"""Every second one has an initrd: each kernel and each machine boots with and without it."""


@pytest.mark.parametrize(("kernel", "machine", "words"), UNCHANGED)
def test_an_unchanged_boot_reaches_the_last_stage_with_only_harmless_findings(
    kernel: str, machine: str, words: str, initrd: Path
) -> None:
    document, checked = check_boot(kernel, f"-M {machine} {words}", initrd)
    memory_map = document.stops[0].memory_map
    assert memory_map is not None
    last = f"memory_map.entries[{memory_map.nr_entries - 1}].size"

    assert (5, "e820") == (len(document.stops), document.outcome.reached)
    assert set() == {finding.code for finding in checked.all if finding.severity != INFO}
    assert {finding.code for finding in checked.all} <= harmless(machine)
    assert {finding.field for finding in checked.all if finding.code == "PVH201"} <= {last}


def test_the_table_has_enough_rows_for_every_kernel() -> None:
    rows = Counter(row.kernel for row in TABLE)

    assert set(mutations.KERNELS) == set(rows)
    assert rows.total() >= 30
    assert min(rows.values()) >= 5
