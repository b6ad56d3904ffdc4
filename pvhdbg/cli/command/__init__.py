"""One file a command; the session is the command without a name.

session  `pvhdbg [KERNEL]`
dump     `pvhdbg dump`
check    `pvhdbg check`
attach   `pvhdbg attach`
files    `inspect`, `show`, `gdb-script`: the commands that start nothing
diff     `pvhdbg diff`
explain  `pvhdbg explain`
doctor   `pvhdbg doctor`
"""
