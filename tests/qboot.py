"""QEMU's words for the firmware whose places the tests know: Debian 13 starts a microvm by another."""

QBOOT = ("-bios", "qboot.rom")
