"""What gdb has after `source gdb_scripts/pvh.py`: `pvh …`, `$pvh_…()`, `layout pvh`, -pvh-capture, pretty-printers.

install       registers everything
session       the session with the machine that gdb is connected to
kernel_files  the kernel whose symbols gdb has, read from its file
pvh_commands  `pvh …`, from the table in pvhdbg.commands
functions     $pvh_start_info(), $pvh_phys(), $pvh_e820()
printers      gdb's `print` for the ABI's structures
window        `layout pvh`
mi_command    -pvh-capture

Runs inside gdb: imports gdb and the standard library, commands, views, boot, image and target. Start with install.
"""
