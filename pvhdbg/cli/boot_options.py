"""The options of the commands that boot a kernel, and of those that start QEMU or gdb."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from pvhdbg.boot.stop.protocols import AS_IS, PROTOCOLS
from pvhdbg.cli import vmm
from pvhdbg.cli.values import Default, jobs, machines, name, seconds, shard, size
from pvhdbg.live.qemu.options import DEFAULT_APPEND

if TYPE_CHECKING:
    import argparse

KERNEL = "the kernel: an ELF file, which may be compressed, or a bzImage"
_KERNEL_OR_GUEST = f"{KERNEL} (default: the teaching guest, a small built-in test kernel)"
_MACHINE = "choose the machine: microvm, q35 or pc"
_JOBS = "boot N kernels or machines at the same time [the number of CPUs]"
_SHARD = "run only every Nth boot, beginning with boot I; 1/N to N/N together run all"


def launch(parser: argparse.ArgumentParser, *, recording: bool = False) -> None:
    """Add the options of every command that boots a kernel. If `recording` is set, it can be a recording instead."""
    metavar, words = (
        ("RECORDING|KERNEL", f"a recording, or {_KERNEL_OR_GUEST}") if recording else ("KERNEL", _KERNEL_OR_GUEST)
    )
    parser.add_argument("kernel", type=Path, nargs="?", metavar=metavar, help=words)
    launch_options(parser)


def launch_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of a command that boots a kernel, without the kernel itself."""
    _boot_options(parser.add_argument_group("boot options"))
    machine = parser.add_argument_group("machine options")
    machine.add_argument("-M", "--machine", type=name, default="microvm", metavar="NAME", help=f"{_MACHINE} [microvm]")
    _machine_options(machine)
    tools(parser)


def launch_several(parser: argparse.ArgumentParser) -> None:
    """Add the options of a command that boots several kernels, each on several machines."""
    parser.add_argument("kernels", type=Path, nargs="*", metavar="KERNEL", help=_KERNEL_OR_GUEST)
    parser.add_argument("-j", "--jobs", type=jobs, default=_cpus(), metavar="N", help=_JOBS)
    parser.add_argument("--shard", type=shard, default=(1, 1), metavar="I/N", help=_SHARD)
    _boot_options(parser.add_argument_group("boot options"), several=True)
    machine = parser.add_argument_group("machine options")
    machine.add_argument(
        "-M",
        "--machine",
        type=machines,
        dest="machines",
        default=("microvm",),
        metavar="NAME[,NAME...]",
        help=f"{_MACHINE}; NAME,NAME boots on each of them [microvm]",
    )
    _machine_options(machine)
    tools(parser)


def _cpus() -> int:
    return len(os.sched_getaffinity(0))


def _boot_options(boot: argparse._ArgumentGroup, *, several: bool = False) -> None:
    boot.add_argument("-i", "--initrd", type=Path, metavar="FILE", help="pass an initrd, which becomes module 0")
    boot.add_argument(
        "-a",
        "--append",
        default=Default(DEFAULT_APPEND),
        metavar="STRING",
        help=f"set the kernel command line [{DEFAULT_APPEND}]",
    )
    symbols(boot)
    vmm.add_options(boot, several=several)
    boot.add_argument(
        "--protocol",
        choices=PROTOCOLS,
        default=AS_IS,
        help=f"convert the boot data to another protocol before the guest runs [{AS_IS}]",
    )
    boot.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="PATH=VALUE",
        help="change one field of the boot data before the guest runs; repeatable",
    )
    _start_options(boot)
    timeout(boot)


def _start_options(boot: argparse._ArgumentGroup) -> None:
    boot.add_argument("--load", action="store_true", help="load a file that QEMU does not start via PVH")
    boot.add_argument("--xen", action="store_true", help="start the kernel as dom0 of a real Xen, in QEMU")
    boot.add_argument(
        "--xen-image", type=Path, metavar="FILE", help="start this Xen (xen-4.17-amd64.gz); implies --xen"
    )
    boot.add_argument("--force", action="store_true", help="start the kernel even if the pre-start check rejects it")


def _machine_options(machine: argparse._ArgumentGroup) -> None:
    machine.add_argument(
        "-m",
        "--memory",
        type=size,
        default=Default("512M"),
        metavar="SIZE",
        help="set the size of guest memory [512M]",
    )
    machine.add_argument(
        "--accel", choices=("tcg", "kvm"), default="tcg", help="emulate the CPU (tcg) or use KVM [tcg]"
    )
    machine.add_argument(
        "--cpu", type=name, metavar="MODEL", help="choose the CPU model [max under tcg, host under kvm]"
    )


def tools(parser: argparse.ArgumentParser, *, qemu: bool = True) -> None:
    group = parser.add_argument_group("tools")
    if qemu:
        group.add_argument("--qemu", type=name, metavar="PATH", help="run this QEMU")
    group.add_argument("--gdb", type=name, metavar="PATH", help="run this gdb")
    group.add_argument("--mi-log", type=Path, metavar="FILE", help="log the MI traffic between pvhdbg and gdb to FILE")
    group.add_argument("--gdbinit", action="store_true", help="let gdb read your .gdbinit")


def symbols(parser: argparse._ActionsContainer) -> None:
    parser.add_argument(
        "--symbols", type=Path, metavar="FILE", help="read symbols from a debug vmlinux of the same build"
    )


def timeout(parser: argparse._ActionsContainer) -> None:
    parser.add_argument(
        "--timeout",
        type=seconds,
        default=30.0,
        metavar="SECONDS",
        help="give up if a stage takes longer than SECONDS [30]",
    )
