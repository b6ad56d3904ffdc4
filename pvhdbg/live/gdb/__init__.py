"""gdb as a child process.

process      the gdb process: lines in, lines out
environment  gdb's environment, and the cache of its compiled Python files
mi           parsing GDB/MI records; the only user of pygdbmi
mi_syntax    checking a record before it is parsed
results      the values in a parsed record, with their types checked
mi_client    sending commands and matching their answers by token
console      running lines that the user typed at the prompt
steps        the commands for steps by source line and by instruction
breakpoints  listing, setting and deleting breakpoints
script       the path of pvhdbg's script for gdb, and loading it
"""
