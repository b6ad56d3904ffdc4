"""A machine of our own: QEMU and gdb, started together and ended together."""
