from pathlib import Path

import pytest

from pvhdbg.live.qemu.firmware import microvm_firmware


@pytest.mark.parametrize(
    ("args", "firmware"),
    [
        (("-bios", "qboot.rom"), "qboot"),
        (("--bios", "/usr/share/seabios/bios-microvm.bin"), "seabios"),
        (("-bios", "OVMF.fd"), None),
        (("-bios", "qboot.rom", "-bios", "bios.bin"), "seabios"),
        (("-device", "bios"), None),
        (("-bios",), None),
    ],
)
def test_the_last_bios_option_decides_the_firmware(args: tuple[str, ...], firmware: str | None) -> None:
    assert firmware == microvm_firmware(args, ())


def test_without_a_bios_option_the_installed_firmware_file_decides(tmp_path: Path) -> None:
    empty, debian_12, upstream = (tmp_path / name for name in ("empty", "debian", "upstream"))
    for folder in (empty, debian_12, upstream):
        folder.mkdir()
    (debian_12 / "qboot.rom").touch()
    (debian_12 / "bios-microvm.bin").symlink_to("qboot.rom")
    (upstream / "bios-microvm.bin").touch()

    assert [None, "qboot", "seabios"] == [
        microvm_firmware((), folders) for folders in ((empty,), (empty, debian_12), (empty, upstream))
    ]
