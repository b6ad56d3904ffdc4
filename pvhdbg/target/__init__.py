"""Access to a machine: read its memory, registers and symbols while it is stopped, and run it.

base            Target (read memory, registers, symbols), Runner (run to an address), Halt (why the machine stopped)
recording       a Target that answers from recorded data, and the Recorder that records the data
absent          memory that the guest must not find, although the machine has it
block_cache     a cache of guest memory, valid while the machine is stopped
monitor         parsers for the answers of QEMU's monitor
gdb_native      the Target for code that runs inside gdb
native_runner   the Runner for code that runs inside gdb
stub_registers  the registers of QEMU's gdb stub, by gdb's names and by pvhdbg's
stub            what mi/ and rsp/ have in common
nested          the memory of a guest whose hypervisor runs in QEMU: translate through AMD's nested page tables
mi/             the Target and the Runner for a gdb/MI client
rsp/            the Target and the Runner for QEMU's stub, without gdb

Start with base: its protocols are all that the rest of pvhdbg depends on. Only cli, tui, in_gdb and live import gdb_mi
and gdb_native. This package imports only abi and errors. base, absent, recording, block_cache, monitor, nested,
gdb_native and native_runner run inside gdb's Python.
"""
