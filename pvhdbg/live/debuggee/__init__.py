"""A machine that pvhdbg can reach, and what an interactive session does with it.

machine           what every machine has: a private folder and a watcher
stub_machine      the machine that pvhdbg starts for a command without a screen: QEMU, without gdb
gdb_machine       a machine that is reached through gdb
own_machine       the machine that pvhdbg starts for a session: QEMU and gdb
screen_machine    an own machine whose first stops do not wait for gdb
attached_machine  a machine that is already running, reached through its gdb stub
machine_session   a machine, its kernel, and the LiveSession that answers commands
debuggee          run, step, set breakpoints, restart: a machine session with gdb
code              code as lines: instructions, each under the source lines that it was made from; bytes as instructions
code_reader       read the code at RIP
repeated          string instructions with a repeat prefix, which one step executes as a whole
physical_symbols  the kernel's symbols at physical addresses, in gdb
gdb_expression    expressions in gdb's own language
machine_facts     the machine as a recording describes it
start_failure     why QEMU or gdb did not start, and whose fault it is

Besides abi, errors and guest, imports live's other folders, boot, image and target. Start with debuggee.
"""
