"""Access to a machine: read its memory, registers and symbols while it is stopped, and run it.

base           Target (read memory, registers, symbols), Runner (run to an address), Halt (why the machine stopped)
recording      a Target that answers from recorded data, and the Recorder that records the data
block_cache    a cache of guest memory, valid while the machine is stopped
monitor        parsers for the answers of QEMU's monitor
gdb_native     the Target for code that runs inside gdb
native_runner  the Runner for code that runs inside gdb
mi             the gdb/MI client that the mi modules need, and how MI commands are written
gdb_mi         the Target for a gdb/MI client
mi_memory      read and write guest-physical memory through a gdb/MI client
mi_runner      the Runner for a gdb/MI client

Start with base: its protocols are all that the rest of pvhdbg depends on. Only cli, tui, in_gdb and live import gdb_mi
and gdb_native. This package imports only abi and errors. The modules without mi in their names run inside
gdb's Python.
"""
