"""Start a machine from the user's options."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from stat import S_ISREG
from typing import TYPE_CHECKING

from pvhdbg import guest
from pvhdbg.boot.run.entry_changes import EntryChanges
from pvhdbg.boot.stop.protocols import AS_IS
from pvhdbg.cli import early_start, vmm
from pvhdbg.cli.result import RefusedKernelError
from pvhdbg.errors import GuestError, MachineError, UserError
from pvhdbg.guest_profiles import linux
from pvhdbg.live.system.signals import exit_on_signals

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator, Sequence

    from pvhdbg.boot.record.document import Document
    from pvhdbg.boot.stop.kernel_probe import SymbolsAndStrings
    from pvhdbg.boot.who.answer import WhoResult
    from pvhdbg.image.debug_info.lookups import Lookups
    from pvhdbg.image.load import Kernel
    from pvhdbg.image.preflight import Preflight
    from pvhdbg.image.verdicts.verdict import Verdict
    from pvhdbg.live.debuggee.debuggee import Debuggee
    from pvhdbg.live.debuggee.machine_session import MachineSession
    from pvhdbg.live.debuggee.screen_machine import ScreenMachine
    from pvhdbg.live.debuggee.stub_machine import StubMachine
    from pvhdbg.live.qemu.options import QemuOptions
    from pvhdbg.live.qemu.xen import XenImage


def _nothing() -> None: ...


def _import_rules() -> None:
    from pvhdbg.checks.run import rules

    rules()


def import_run() -> None:
    """Import what runs the guest and describes the run, while QEMU starts."""
    from pvhdbg.boot.run import watch  # noqa: F401
    from pvhdbg.cli import running  # noqa: F401
    from pvhdbg.live.debuggee import machine_session  # noqa: F401
    from pvhdbg.views.to_json import document_json  # noqa: F401

    _import_rules()


def _import_screen_session() -> None:
    """Import what the screen's session needs, while QEMU starts."""
    from pvhdbg.live.back import going_back  # noqa: F401
    from pvhdbg.live.gdb import process  # noqa: F401


@contextmanager
def launched(options: argparse.Namespace, started: Callable[[], object] = _nothing) -> Iterator[Debuggee]:
    """Start the machine that the options describe, and end it when the context ends.

    QEMU's stub is asked directly until `Debuggee.take_over` is called; gdb starts as soon as QEMU has loaded the
    kernel. `started` is called as soon as QEMU's process has been started.

    :raise PvhdbgError: if the kernel cannot boot via PVH, or the machine cannot start.
    """
    from pvhdbg.live.debuggee.screen_machine import ScreenMachine
    from pvhdbg.live.qemu.options import why_no_snapshots

    changes = entry_changes(options)
    with exit_on_signals(), ScreenMachine() as machine:
        no_snapshots = why_no_snapshots(options.snapshots, options.memory, options.qemu_args)
        kernel, qemu, remarks = _boot(options, machine, _import_screen_session, no_snapshots, started)
        from pvhdbg.live.back.going_back import RewindableDebuggee
        from pvhdbg.live.gdb.process import GdbOptions

        mi_log = None if options.mi_log is None else str(options.mi_log)
        machine.start_gdb(GdbOptions(options.gdb or "gdb", options.gdbinit, mi_log))
        debuggee = RewindableDebuggee(machine, kernel, qemu, options.timeout, remarks, changes)
        debuggee.observe = _observe
        yield debuggee
        debuggee.save_lookups()


@contextmanager
def launched_without_gdb(
    options: argparse.Namespace, meanwhile: Callable[[], object] = import_run
) -> Iterator[MachineSession]:
    """Start the machine that the options describe, and end it when the context ends. QEMU's stub is asked directly.

    `meanwhile` is called once QEMU is starting.

    :raise PvhdbgError: if the kernel cannot boot via PVH, or the machine cannot start.
    """
    from pvhdbg.live.debuggee.stub_machine import StubMachine
    from pvhdbg.live.qemu.options import ONLY_ON_SCREEN

    changes = entry_changes(options)
    with exit_on_signals(), StubMachine() as machine:
        kernel, qemu, remarks = _boot(options, machine, meanwhile, ONLY_ON_SCREEN)
        from pvhdbg.live.debuggee.machine_session import MachineSession

        remarks = (*_without_effect(options), *remarks)
        session = MachineSession(machine, kernel, qemu, options.timeout, remarks, changes)
        session.observe = _observe
        if not _is_recorded(options):
            session.session.read_no_log()
        yield session
        session.save_lookups()


def _is_recorded(options: argparse.Namespace) -> bool:
    """Return whether the run becomes a document: JSON, or a recording that a command of -c may write."""
    form = getattr(options, "format", None) or ""
    return bool(getattr(options, "output", None) or getattr(options, "command", None) or form.startswith("json"))


def _observe(session: MachineSession, text: str) -> WhoResult:
    from pvhdbg.live.observe.who_run import ask

    return ask(session, text)


def _without_effect(options: argparse.Namespace) -> Iterator[str]:
    given = {"--gdb": options.gdb, "--gdbinit": options.gdbinit, "--mi-log": options.mi_log}
    if names := [name for name, value in given.items() if value]:
        verb = "has" if len(names) == 1 else "have"
        yield f"pvhdbg: note: {', '.join(names)} {verb} no effect: only the screen and `attach` start gdb"


def _boot(
    options: argparse.Namespace,
    machine: ScreenMachine | StubMachine,
    meanwhile: Callable[[], object],
    no_snapshots: str | None,
    started: Callable[[], object] = _nothing,
) -> tuple[Kernel, QemuOptions, tuple[str, ...]]:
    """Start QEMU and wait for it. Return the kernel, QEMU's final options, and remarks for the user.

    QEMU needs longest, so it starts first if that is possible. If pvhdbg then rejects the kernel, QEMU ends.
    """
    image = _xen(options, machine.folder)
    if early := early_start.start(options, machine, no_snapshots):
        started()
    kernel, remarks = _kernel(options, machine.folder)
    from pvhdbg.boot.stop.kernel_probe import SymbolsAndStrings

    if image is None:
        qemu = _qemu_options(options, kernel, machine.folder)._replace(no_snapshots=no_snapshots)
    else:
        from pvhdbg.cli import xen_launch

        qemu = xen_launch.qemu_options(options, kernel.facts, image, machine.folder)
    symbols = SymbolsAndStrings(kernel.symbols, kernel.facts, _lookups(kernel))
    if qemu == early:
        machine.target.symbols = symbols
    else:
        machine.boot(qemu, symbols)
        started()
    meanwhile()
    symbols.prefetch()
    qemu, tried = _wait_ready(machine, qemu, symbols)
    return kernel, qemu, (*remarks, *tried)


def _lookups(kernel: Kernel) -> Lookups | None:
    """Return the results of earlier searches, also for strings, if they are about the kernel's own file."""
    return kernel.symbols.lookups if kernel.symbols.path == kernel.facts.elf else None


def _xen(options: argparse.Namespace, folder: Path) -> XenImage | None:
    """Return the Xen that starts the kernel, unpacked into `folder`; None if QEMU itself starts the kernel."""
    options.xen = options.xen or options.xen_image is not None
    if not options.xen:
        return None
    from pvhdbg.cli import xen_launch

    return xen_launch.unpacked_xen(options, folder)


def _wait_ready(
    machine: ScreenMachine | StubMachine, qemu: QemuOptions, symbols: SymbolsAndStrings
) -> tuple[QemuOptions, tuple[str, ...]]:
    """Wait for the machine. Return the options that QEMU finally runs with, and remarks for the user.

    If KVM does not support IA32_ARCH_CAPABILITIES, QEMU aborts with `-cpu host`. Then start QEMU again with that CPU
    feature turned off.
    """
    try:
        machine.wait_ready()
    except MachineError as error:
        if qemu.cpu is not None or "kvm_buf_set_msrs" not in str(error):
            raise
    else:
        return qemu, ()
    plainer = qemu._replace(cpu="host,-arch-capabilities")
    machine.boot(plainer, symbols)
    machine.wait_ready()
    return plainer, (f"pvhdbg: note: this KVM does not support -cpu host; using -cpu {plainer.cpu}",)


def entry_changes(options: argparse.Namespace) -> EntryChanges:
    """Return the changes for the entry stop: the handover, then --protocol, then each --set in order."""
    handover = options.handover or vmm.handover_source(options)
    if not options.set and options.protocol == AS_IS:
        return EntryChanges(handover)
    from pvhdbg.boot.lab.assignment import parse_assignment

    return EntryChanges(handover, [options.protocol, *(parse_assignment(word) for word in options.set)])


def _kernel(options: argparse.Namespace, folder: Path) -> tuple[Kernel, tuple[str, ...]]:
    """Open the kernel file and run the pre-start check. Return the kernel, and remarks for the user.

    :raise GuestError: if the check rejects the kernel, unless --force was given.
    """
    from pvhdbg.image.load import open_kernel
    from pvhdbg.live.system import cache

    path = options.kernel or guest.ELF
    symbols = None if options.symbols is None else str(options.symbols)
    kernel = open_kernel(str(path), folder, symbols, cache.folder("symbols", os.environ))
    remarks = [] if kernel.symbols_remark is None else [kernel.symbols_remark]
    if not options.xen:  # the check is about QEMU's loader
        preflight = _preflight(options, kernel)
        kernel = kernel._replace(facts=preflight.apply_to(kernel.facts))
        remarks += [verdict.message for verdict in preflight.verdicts + preflight.by_vmm]
    remarks += _guest_changes(kernel)
    return kernel, tuple(f"pvhdbg: note: {remark}" for remark in remarks)


def _guest_changes(kernel: Kernel) -> list[str]:
    """Return a remark if the kernel is a changed copy of the teaching guest: what was changed."""
    if kernel.facts.guest != linux.TEACHING.name or kernel.facts.elf == str(guest.ELF):
        return []
    from pvhdbg.live.instructions.guest_changes import guest_changes, summary

    changes = guest_changes(kernel.facts)
    return [] if changes is None or not changes.changes else [summary(changes)]


def _preflight(options: argparse.Namespace, kernel: Kernel) -> Preflight:
    from pvhdbg.boot.record.document import ram_size
    from pvhdbg.image.preflight import Machine, preflight_file
    from pvhdbg.live.qemu.firmware import microvm_firmware

    firmware = microvm_firmware(options.qemu_args)
    memory, initrd = ram_size(options.memory), _size(options.initrd)
    append = os.fsencode(options.append)
    machine = Machine(options.machine, append, memory, firmware, options.vmm, initrd, options.load)
    preflight = preflight_file(kernel.facts, machine, kernel.symbols)
    if preflight.fatal and not options.force:
        refused = kernel._replace(facts=preflight.apply_to(kernel.facts))
        loadable = preflight_file(kernel.facts, machine._replace(loads_file=True), kernel.symbols)
        advice = _advice(kernel.facts.profile.needs_xen, can_be_loaded=not loadable.fatal)
        raise _refusal(kernel.facts.path, preflight, _refused_run(options, refused), advice)
    return preflight


def _advice(needs_xen: str, *, can_be_loaded: bool) -> str:
    """Return what the user can do about a file that QEMU does not load, to end a hint."""
    if not can_be_loaded:
        return ""
    return f", or let pvhdbg load the file with --load{f' (QEMU is not Xen: {needs_xen})' if needs_xen else ''}"


def _size(path: Path | None) -> int | None:
    """Return the size of a file; None if there is none, or if it cannot be read, which is an error later."""
    try:
        return None if path is None else path.stat().st_size
    except OSError:
        return None


def _refused_run(options: argparse.Namespace, kernel: Kernel) -> Document:
    from pvhdbg.boot.record.document import REFUSED, Document, Outcome
    from pvhdbg.live.debuggee import machine_facts

    machine = machine_facts.of_options(_qemu_options(options, kernel, None))
    return Document(kernel.facts, machine, (), Outcome(None, REFUSED))


def _refusal(path: str, preflight: Preflight, document: Document, advice: str) -> RefusedKernelError:
    """Return the error for a kernel that the pre-start check rejects: every fatal verdict, the root cause first.

    The last hint ends with `advice`, and offers --force, unless QEMU would refuse the file, or the VMM the command
    line.
    """
    force = ", or start the kernel anyway with --force" if preflight.can_be_forced else ""
    *others, last = preflight.fatal
    hints = [*(verdict.hint for verdict in others), last.hint + advice + force]
    codes = _codes(preflight.fatal, document)
    messages = [f"{path}: {verdict.message}{code}" for verdict, code in zip(preflight.fatal, codes, strict=True)]
    return RefusedKernelError(list(map(GuestError, messages, hints)), document)


def _codes(verdicts: Sequence[Verdict], document: Document) -> list[str]:
    """Return the code of the rule that reports each verdict, for `pvhdbg explain`: " (PVH514)"."""
    from pvhdbg.checks.kernel.preflight import finding_message
    from pvhdbg.checks.run import check_run

    codes = {finding.message: f" ({finding.code})" for finding in check_run(document).all}
    return [codes.get(finding_message(verdict), "") for verdict in verdicts]


def _qemu_options(options: argparse.Namespace, kernel: Kernel, folder: Path | None) -> QemuOptions:
    """Return QEMU's options. With --load, write the file that jumps to the kernel into `folder`, if it is not None."""
    from pvhdbg.guest_profiles.linux import PARSER
    from pvhdbg.live.qemu.options import qemu_binary

    if options.initrd is not None:
        _check_initrd(options.initrd)
    linux = PARSER in kernel.symbols
    binary = qemu_binary(kernel.facts, linux=linux)
    if not options.load or folder is None:
        return early_start.qemu_options(options, kernel.facts.elf, binary)
    from pvhdbg.boot.record.document import ram_size
    from pvhdbg.live.qemu import carrier

    path = carrier.write(folder, kernel.facts, ram_size(options.memory))
    return early_start.qemu_options(options, path, binary, kernel.facts.elf)


def _check_initrd(path: Path) -> None:
    """Check that the initrd is a regular file: QEMU's own message is less clear, and reading a device may never end.

    :raise UserError: if it is not a regular file.
    """
    try:
        is_file = S_ISREG(path.stat().st_mode)
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}", "pass an initrd file with -i") from error
    if not is_file:
        raise UserError(f"{path}: not a regular file", "pass an initrd file with -i")
