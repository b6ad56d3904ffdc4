"""A stopped machine: what it can be asked, and how it is run.

base           Target (read memory, registers, symbols), Runner (run to an address), Halt (why the machine stopped)
recording      a Target that answers from recorded data, and the Recorder that records it
block_cache    guest memory, fetched in blocks and kept while the machine is stopped
monitor        parsers for the answers of QEMU's monitor
gdb_native     the Target of code that runs inside gdb
native_runner  the Runner of code that runs inside gdb
mi             the gdb/MI client that the mi_ modules need, and the spelling of commands
gdb_mi         the Target behind a gdb/MI client
mi_memory      guest-physical memory behind a gdb/MI client
mi_runner      the Runner behind a gdb/MI client

Start with base: the rest of the package depends only on its protocols. Only a front door or live imports gdb_mi,
gdb_native and the runners. Only abi and errors are imported from outside. The modules without mi in their names run
inside gdb's Python.
"""
