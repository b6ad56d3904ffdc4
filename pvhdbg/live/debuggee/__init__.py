"""A machine with a debugger attached.

machine           a gdb with its folder and watcher; QEMU behind it
own_machine       a QEMU that pvhdbg started
attached_machine  a stub that already runs
debuggee          what an interactive session does to a machine
session           the Session that commands ask
code              the code at RIP: source or instructions
machine_facts     the machine, as a recording describes it
start_failure     why QEMU or gdb did not start, and whose fault it is

Start with debuggee.
"""
