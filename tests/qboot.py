"""QEMU options for qboot, whose addresses the tests know. On Debian 13 another firmware is a microvm's default."""

QBOOT = ("-bios", "qboot.rom")
