"""gdb as a child process.

process      gdb itself: lines in, lines out
mi           GDB/MI records
mi_client    commands and their answers, by token
console      a line typed at the prompt
breakpoints  gdb's breakpoints
script       the path of the script to source
"""
