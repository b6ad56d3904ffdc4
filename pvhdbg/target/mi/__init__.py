"""Access to a machine through gdb/MI.

client      the gdb/MI client that these modules need, and how MI commands are written
gdb_mi      the Target for that client
mi_memory   read and write guest-physical memory through that client
mi_runner   the Runner for that client

Start with gdb_mi.
"""
