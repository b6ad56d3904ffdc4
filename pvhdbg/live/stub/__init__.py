"""QEMU's gdb stub, asked directly, without gdb.

connection  the client of the GDB remote serial protocol
packets     frames and checksums
watch       watchpoints and single steps

This package imports only errors, target.rsp and system. Start with connection.
"""
