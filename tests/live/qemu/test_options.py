from pathlib import Path

import pytest

from pvhdbg.errors import UserError
from pvhdbg.image.load import open_kernel
from pvhdbg.live.qemu.options import Channels, QemuOptions, command_line, qemu_binary

CHANNELS = Channels(3, 4, 5)


def test_qemu_starts_the_guest_stopped_and_does_not_exit_on_a_reset_or_shutdown() -> None:
    assert {"-S", "-no-reboot", "-no-shutdown", "-nodefaults"} <= set(command_line(QemuOptions("k"), CHANNELS))


def test_the_users_arguments_come_last_and_unchanged() -> None:
    args = ("-device", "virtio-rng-device", "-smp")

    assert args == tuple(command_line(QemuOptions("k", args=args), CHANNELS)[-3:])


def test_the_initrd_option_is_passed_only_with_an_initrd() -> None:
    line = command_line(QemuOptions("k", initrd="i"), CHANNELS)

    assert "i" == line[line.index("-initrd") + 1]
    assert "-initrd" not in command_line(QemuOptions("k"), CHANNELS)


@pytest.mark.parametrize(
    ("accel", "cpu", "effective"), [("tcg", None, "max"), ("kvm", None, "host"), ("kvm", "c", "c")]
)
def test_the_default_cpu_depends_on_the_accelerator(accel: str, cpu: str | None, effective: str) -> None:
    assert effective == QemuOptions("k", accel=accel, cpu=cpu).effective_cpu


@pytest.mark.parametrize("word", ["-kernel", "--S", "-s", "-gdb", "-accel", "-m", "-M"])
def test_an_option_that_pvhdbg_sets_is_refused_in_the_users_arguments(word: str) -> None:
    with pytest.raises(UserError) as raised:
        command_line(QemuOptions("k", args=("-nographic", word)), CHANNELS)

    assert f"{word}: pvhdbg sets this option itself; it cannot be passed after `--`" == str(raised.value)
    assert raised.value.hint


@pytest.mark.parametrize("word", ["-daemonize", "--daemonize", "-incoming"])
def test_an_option_that_pvhdbg_does_not_work_with_is_refused_in_the_users_arguments(word: str) -> None:
    with pytest.raises(UserError) as raised:
        command_line(QemuOptions("k", args=("-nographic", word)), CHANNELS)

    assert f"{word}: cannot be passed after `--`" == str(raised.value)
    assert raised.value.hint


def test_only_a_32_bit_linux_needs_the_32_bit_qemu(vmlinux_61: Path, grub_image: Path, tmp_path: Path) -> None:
    grub = open_kernel(str(grub_image), tmp_path).facts
    linux = open_kernel(str(vmlinux_61), tmp_path).facts
    binaries = [qemu_binary(grub, linux=False), qemu_binary(grub, linux=True), qemu_binary(linux, linux=True)]

    assert ["qemu-system-x86_64", "qemu-system-i386", "qemu-system-x86_64"] == binaries
