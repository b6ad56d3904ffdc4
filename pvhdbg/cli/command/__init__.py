"""One file for each command; `interactive` is pvhdbg without a command.

interactive   `pvhdbg [KERNEL]`
dump          `pvhdbg dump`
check         `pvhdbg check`
attach        `pvhdbg attach`
inspect_file  `pvhdbg inspect`
show          `pvhdbg show`
diff          `pvhdbg diff`
explain       `pvhdbg explain`
manual        `pvhdbg manual`
doctor        `pvhdbg doctor`
gdb_script    `pvhdbg gdb-script`

Each has one function from parsed options to a Result. To add a command: a file here and a row in
pvhdbg/cli/options.py.
"""
