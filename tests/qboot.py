"""The QEMU options that select qboot: tests rely on its addresses, and it is not microvm's default on Debian 13."""

QBOOT = ("-bios", "qboot.rom")
