"""Access to a machine through QEMU's gdb stub, without gdb.

client       the client of the GDB remote serial protocol that these modules need
rsp_target   the Target for that client
rsp_runner   the Runner for that client

Start with rsp_target.
"""
