"""Follow the pointers in guest memory and decode what they point to: a Target in, a Capture out."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TypeVar

from pvhdbg.abi.boot_params import BootParams
from pvhdbg.abi.cpu import REGISTERS, cpu_mode
from pvhdbg.abi.e820 import BootE820Entry, E820Table
from pvhdbg.abi.layout import Struct, records
from pvhdbg.abi.start_info import MAGIC, SIZE_V0, MemmapTableEntry, ModlistEntry, StartInfo
from pvhdbg.boot.stop import evidence, stages
from pvhdbg.boot.stop.address import Addresses
from pvhdbg.boot.stop.capture import E820, Capture, MemoryMap, Module, Text, has_e820_module
from pvhdbg.boot.stop.kernel_probe import probe
from pvhdbg.boot.stop.protocols import E820_MODULE, MEMMAP, NO_MAP
from pvhdbg.boot.stop.stages import Stage
from pvhdbg.errors import MemoryUnreadable, TargetError
from pvhdbg.guest_profiles.profile import POINTER, STRUCTURE
from pvhdbg.image.facts import ImageFacts
from pvhdbg.target.base import Target
from pvhdbg.target.recording import Recorder

MAX_STRING = 65_536
MAX_MODULES = 4_096
MAX_ENTRIES = 16_384
MAX_TEXT = 1 << 22
"""The limit in bytes for all strings of one stop together: each of 4,096 modules may have a long command line."""
CHUNK = 256


T = TypeVar("T")
S = TypeVar("S", bound=Struct)


def read_capture(
    target: Target,
    stage: str,
    image: ImageFacts | None,
    start_info_paddr: int | None,
    extra_keys: Collection[str] = (),
    known: Capture | None = None,
) -> Capture:
    """Read and decode the structures that are valid at `stage`, and those in `extra_keys`.

    `start_info_paddr` is the value of EBX at the entry, None if it was not captured. At the stage entry, None means to
    read EBX. If everything that is decoded is as in `known`, return `known`, and do not read evidence again.
    """
    here = stages.stage(stage, image)
    return Reading(target, here._replace(valid=(*here.valid, *extra_keys)), image, start_info_paddr).capture(known)


class Reading:
    """A stop that is being read. If something cannot be read, the reason goes into `missing` and reading continues."""

    def __init__(self, target: Target, stage: Stage, image: ImageFacts | None, start_info_paddr: int | None) -> None:
        self._machine = target
        self.target = Recorder(target)
        self.stage = stage
        self.image = image
        self.missing: dict[str, str] = {}
        self.start_info_paddr = start_info_paddr
        self.text_read = 0
        self.registers: dict[str, int | None] = {
            name: self.attempt(f"registers.{name}", self.target.register, name) for name in REGISTERS
        }
        self.addresses = Addresses(self.target, self.registers, image)

    def capture(self, known: Capture | None = None) -> Capture:
        """Return the capture, or `known` if what was decoded is the same."""
        capture = self._decoded()
        self.read_for_checks()
        if known is not None and self._agrees_with(known):
            return known
        evidence.read(self.target, self._machine, self.addresses, capture, self.attempt)
        return capture._replace(memory=self.target.memory())

    def _decoded(self) -> Capture:
        """Return the capture, without its memory yet."""
        start_info = self.valid(stages.START_INFO, self._start_info)
        copy = self.valid(stages.PVH_START_INFO, self._pvh_start_info)
        self.effective_start_info = copy or start_info
        # Read this before the modules: all strings share the limit MAX_TEXT, and there may be 4,096 modules.
        cmdline = self.valid("cmdline", self.cmdline)
        modules = self.valid("modules", self._modules)
        return Capture(
            stage=self.stage.name,
            rip=self.attempt("rip", self.target.register, "rip"),
            address_kind=self.attempt("address_kind", self.addresses.kind),
            cpu_mode=cpu_mode(self.registers),
            registers=self.registers,
            start_info=start_info,
            pvh_start_info=copy,
            cmdline=cmdline,
            modules=modules,
            memory_map=self.valid("memory_map", lambda: self._memory_map(modules or ())),
            boot_params=self.valid(stages.BOOT_PARAMS, lambda: self._boot_params(stages.BOOT_PARAMS)),
            kernel_boot_params=self.valid(
                stages.KERNEL_BOOT_PARAMS, lambda: self._boot_params(stages.KERNEL_BOOT_PARAMS)
            ),
            e820_table=self.valid(stages.E820_TABLE, self._e820_table),
            memory=(),
            symbols=self.target.symbols,
            missing=self.missing,
        )

    def _agrees_with(self, known: Capture) -> bool:
        """Return whether this capture has everything that was read so far."""
        known_names = {**known.missing, **known.symbols}
        return (
            (known.stage, known.registers) == (self.stage.name, self.registers)
            and {**self.missing, **self.target.symbols}.items() <= known_names.items()
            and all(known.bytes_at(paddr, len(raw)) == raw for paddr, raw in self.target.memory())
        )

    def attempt(self, path: str, read: Callable[..., T], *arguments: object) -> T | None:
        """Return what `read` returns, or None with the reason in `missing`."""
        try:
            return read(*arguments)
        except TargetError as error:
            self.missing[path] = str(error)
            return None

    def valid(self, key: str, read: Callable[[], T]) -> T | None:
        """Return what `read` returns if `key` is valid at this stage, otherwise None with the reason in `missing`."""
        if key in self.stage.valid:
            return self.attempt(key, read)
        if self.stage.name in stages.READS_NOTHING:
            self.missing[key] = stages.READS_NOTHING[self.stage.name]
        else:
            self.missing[key] = self._why_not_valid(key)
        return None

    def _why_not_valid(self, key: str) -> str:
        first = stages.first_valid(key, self.image)
        if first is None or stages.is_before(self.stage.name, first):
            return self.not_valid_before(key)
        return f"{stages.NO_LONGER_VALID} at stage {self.stage.name}"

    def not_valid_before(self, key: str) -> str:
        """Return the reason for a key that is valid only at later stages, or never in this guest."""
        first = stages.first_valid(key, self.image)
        if first is None:
            return f"{self.image.profile.title if self.image else 'this guest'} has none"
        return f"not valid before stage {first}"

    def _start_info(self) -> StartInfo:
        paddr = self.start_info_paddr
        if paddr is None and self.stage.name == "entry":
            paddr = self.target.register("rbx") & 0xFFFFFFFF
        if paddr is None:
            raise TargetError("EBX at the entry was not captured")
        return self._read_start_info("start_info", paddr)

    def _pvh_start_info(self) -> StartInfo:
        return self._read_start_info("pvh_start_info", self._address_of_variable(stages.PVH_START_INFO))

    def _address_of_variable(self, key: str) -> int:
        """Return the physical address of the structure that a variable of the guest holds or points to."""
        variable = stages.variable(key, self.image)
        if variable is None:
            raise TargetError("this guest has no such variable")
        if variable.holds == STRUCTURE:
            return self.addresses.symbol(variable.symbol)
        if variable.holds == POINTER:
            return self.addresses.pointer(variable.symbol, variable.size)
        raw = self.target.read_phys(self.addresses.symbol(variable.symbol), variable.size)
        return int.from_bytes(raw, "little")

    def _read_start_info(self, path: str, paddr: int) -> StartInfo:
        """Read a start_info. The fields of version 1 are read unless the structure is a valid version 0."""
        head = StartInfo(self.target.read_phys(paddr, SIZE_V0), paddr)
        if head.version == 0 and head.magic == MAGIC:
            for field in StartInfo.FIELDS:
                if field.since > 0:
                    self.missing[f"{path}.{field.name}"] = "not in version 0 of the structure"
            return head
        return StartInfo(self.target.read_phys(paddr, StartInfo.SIZE), paddr)

    def required_start_info(self) -> StartInfo:
        if self.effective_start_info is None:
            raise TargetError("start_info is missing")
        return self.effective_start_info

    def cmdline(self) -> Text:
        return self.string("cmdline", self.required_start_info().cmdline_paddr, "cmdline_paddr")

    def _modules(self) -> tuple[Module, ...]:
        info = self.required_start_info()
        count = self._bounded("modules", info.nr_modules, MAX_MODULES)
        entries = self._table("modules", ModlistEntry, info.modlist_paddr, count)
        return tuple(Module(entry, self._module_cmdline(index, entry)) for index, entry in enumerate(entries))

    def _module_cmdline(self, index: int, entry: ModlistEntry) -> Text | None:
        path = f"modules[{index}].cmdline"
        return self.attempt(path, self.string, path, entry.cmdline_paddr, "its cmdline_paddr")

    def _memory_map(self, modules: tuple[Module, ...]) -> MemoryMap:
        info = self.required_start_info()
        if info.version > 0 and info.memmap_entries:
            count = self._bounded("memory_map.entries", info.memmap_entries, MAX_ENTRIES)
            table = self._table("memory_map.entries", MemmapTableEntry, info.memmap_paddr, count)
            self._read_e820_module(modules)
            return MemoryMap(MEMMAP, info.memmap_paddr, info.memmap_entries, table)
        if has_e820_module(modules):
            return self._e820_module(modules[1].entry.paddr)
        self.missing["memory_map.paddr"] = self._no_map(info, modules)
        return MemoryMap(NO_MAP, None, 0, ())

    def _read_e820_module(self, modules: tuple[Module, ...]) -> None:
        """Read an "e820 data" module even if there is a table: a kernel with the 2017 RFC protocol uses the module."""
        if has_e820_module(modules):
            self.attempt("e820_module", self._e820_module, modules[1].entry.paddr)

    def _no_map(self, info: StartInfo, modules: tuple[Module, ...]) -> str:
        no_table = "version 0 has no memory map" if info.version == 0 else "memmap_entries is 0"
        no_module = 'module 1 is not named "e820 data"' if len(modules) > 1 else "there is no module 1"
        return f"{no_table}, and {no_module}"

    def _e820_module(self, paddr: int) -> MemoryMap:
        table = self._e820_entries("memory_map.entries", paddr)
        return MemoryMap(E820_MODULE, paddr, table.nr_entries, table.entries)

    def _e820_table(self) -> E820:
        return self._e820_entries("e820_table", self._address_of_variable(stages.E820_TABLE))

    def _boot_params(self, key: str) -> BootParams:
        paddr = self._address_of_variable(key)
        return BootParams(self.target.read_phys(paddr, BootParams.SIZE), paddr)

    def _e820_entries(self, path: str, paddr: int) -> E820:
        claimed = E820Table(self.target.read_phys(paddr, E820Table.SIZE), paddr).nr_entries
        count = self._bounded(path, claimed, MAX_ENTRIES)
        return E820(paddr, claimed, self._table(path, BootE820Entry, paddr + E820Table.SIZE, count))

    def at_symbol(self, of: type[S], name: str) -> S:
        paddr = self.addresses.symbol(name)
        return of(self.target.read_phys(paddr, of.SIZE), paddr)

    def _bounded(self, path: str, claimed: int, limit: int) -> int:
        if claimed > limit:
            self.missing[path] = f"truncated: the guest claims {claimed} entries, only {limit} were read"
        return min(claimed, limit)

    def _table(self, path: str, of: type[S], paddr: int, count: int) -> tuple[S, ...]:
        """Read `count` records at `paddr`. If any of them cannot be read, return none."""
        if not count:
            return ()
        try:
            return records(of, self.target.read_phys(paddr, count * of.SIZE), paddr)
        except MemoryUnreadable as error:
            self.missing[path] = str(error)
            return ()

    def string(self, path: str, paddr: int, pointer: str) -> Text:
        if paddr == 0:
            raise TargetError(f"{pointer} is 0")
        raw = b""
        while b"\0" not in raw and len(raw) < MAX_STRING and self.text_read < MAX_TEXT:
            chunk = self._chunk(path, paddr + len(raw))
            if not chunk:
                break
            raw += chunk
            self.text_read += len(chunk)
        text, end, _ = raw[:MAX_STRING].partition(b"\0")
        if not end:
            why = "no NUL" if self.text_read < MAX_TEXT else f"the strings of this stop exceed {MAX_TEXT} bytes"
            self.missing.setdefault(path, f"truncated after {len(text)} bytes: {why}")
        return Text(paddr, text)

    def _chunk(self, path: str, paddr: int) -> bytes:
        """Read from `paddr` to the next multiple of CHUNK: a longer read could extend into an unreadable page."""
        try:
            return self.target.read_phys(paddr, CHUNK - paddr % CHUNK)
        except MemoryUnreadable as error:
            self.missing[path] = str(error)
            return b""

    def read_for_checks(self) -> None:
        """Look up the symbols that only the checks need."""
        if self.stage.name == "prepare":
            probe(self.target, self.image)
