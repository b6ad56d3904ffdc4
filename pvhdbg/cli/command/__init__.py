"""One file for each shell command. `interactive` runs if pvhdbg is called without a command.

interactive   `pvhdbg [KERNEL]`
dump          `pvhdbg dump`
check         `pvhdbg check`
transplant    `pvhdbg transplant`
who           `pvhdbg who`
attach        `pvhdbg attach`
inspect_file  `pvhdbg inspect`
show          `pvhdbg show`
picture       `pvhdbg picture` and `pvhdbg report`
diff          `pvhdbg diff`
bisect        `pvhdbg diff --bisect`
explain       `pvhdbg explain`
manual        `pvhdbg manual`
doctor        `pvhdbg doctor`
gdb_script    `pvhdbg gdb-script`
teaching/     the commands for people who learn or teach how a machine boots

Each command is one function that takes the parsed options and returns a Result. To add a command, add a file here and a
row to COMMANDS in pvhdbg/cli/options.py.
"""
