"""What `source gdb_scripts/pvh.py` adds to gdb: commands, functions, pretty-printers, a window and an MI command.

install       registers everything with gdb
session       the session with the machine that gdb is connected to
kernel_files  the file of the kernel whose symbols gdb has loaded
pvh_commands  the commands `pvh …`, from the table in pvhdbg.commands
functions     the convenience functions $pvh_start_info(), $pvh_phys() and $pvh_e820()
printers      pretty-printers for the ABI's structures
window        the window of `layout pvh`
mi_command    the MI command -pvh-capture
disassembly   gdb's disassembler, without SIGINTs, in a gdb that pvhdbg has started

This package runs inside gdb. It imports only gdb, the standard library, commands, views, boot, image,
target, abi and errors.
Start with install.
"""
