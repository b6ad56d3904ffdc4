"""`--vmm` and `--vmm-list`: which VMM's handover the guest gets."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, NoReturn

from pvhdbg.cli.result import HelpText
from pvhdbg.errors import UserError
from pvhdbg.vmm_profiles import table

if TYPE_CHECKING:
    from pvhdbg.boot.handover.handover import HandoverSource


ALL = "all"
_LEAST_MEMORY = 2 << 20
"""The VMMs' maps and their initrds are computed only for a guest that has memory above 1 MiB."""


def add_options(boot: argparse._ArgumentGroup, *, several: bool = False) -> None:
    """Add --vmm and --vmm-list. With `several`, --vmm takes a list of names, or ALL."""
    text = "hand over what another VMM would; see --vmm-list"
    if several:
        text += f"; NAME,NAME boots with each of them, {ALL} with all but those of version 0 [{table.QEMU}]"
        boot.add_argument("--vmm", type=_names, dest="vmms", default=(table.QEMU,), metavar="NAME[,NAME...]", help=text)
    else:
        text += f" [{table.QEMU}]"
        boot.add_argument("--vmm", choices=table.NAMES, default=table.QEMU, metavar="NAME", help=text)
    boot.add_argument("--vmm-list", action=_List, nargs=0, help="list the VMMs for --vmm, and exit")
    boot.set_defaults(handover=None)  # a command that makes a handover itself sets it


def _names(text: str) -> tuple[str, ...]:
    """Return the VMMs of a list such as `qemu,firecracker`, or of ALL."""
    if text == ALL:
        return tuple(name for name in table.NAMES if name not in table.WITHOUT_MAP)
    names = text.split(",")
    for name in names:
        if name not in table.NAMES:
            choices = ", ".join((*table.NAMES, ALL))
            raise argparse.ArgumentTypeError(f"invalid choice: {name!r} (choose from {choices})")
    return tuple(dict.fromkeys(names))


class _List(argparse.Action):
    def __call__(self, *_: object) -> NoReturn:
        raise HelpText(listing())


def handover_source(options: argparse.Namespace) -> HandoverSource | None:
    """Return what makes the handover that --vmm names; None if it is QEMU's own.

    :raise UserError: if this machine cannot reproduce it.
    """
    if options.vmm == table.QEMU:
        return None
    refuse_machine(options, f"--vmm {options.vmm}")
    from pvhdbg.boot.handover.from_profile import ProfileHandover
    from pvhdbg.boot.record.document import ram_size

    profile = table.profile(options.vmm)
    size = ram_size(options.memory)
    if size is None or profile.layout is None:
        raise UserError(
            f"--vmm {options.vmm}: pvhdbg does not understand the size of guest memory: -m {options.memory}"
        )
    if size < _LEAST_MEMORY:
        raise UserError(
            f"--vmm {options.vmm}: can't be used with -m {options.memory}: too little memory", "use -m 2M or more"
        )
    return ProfileHandover(profile, profile.layout, size)


def refuse_machine(options: argparse.Namespace, name: str) -> None:
    """Check that the machine can get another handover than QEMU's own. `name` is what the user asked for.

    :raise UserError: if it cannot.
    """
    if options.xen or options.xen_image is not None:
        raise UserError(f"{name}: can't be used with --xen: Xen makes the handover to its dom0", "leave out --xen")
    if options.machine.partition(",")[0] != "microvm":
        raise UserError(
            f"{name}: can't be used with -M {options.machine}: memory from 0xe0000 to 0xfffff is read-only there",
            "use -M microvm",
        )
    if options.accel != "tcg":
        why = "pvhdbg sets the state of the CPU only under TCG"
        raise UserError(f"{name}: can't be used with --accel {options.accel}: {why}", "use --accel tcg")


def listing() -> str:
    """Return the text of --vmm-list: a line for each profile."""
    width = max(map(len, table.NAMES))
    profiles = [table.profile(name) for name in table.NAMES]
    lines = [f"{profile.name:{width}}  {profile.title} {profile.version}".rstrip() for profile in profiles]
    return "\n".join(lines) + "\n"
