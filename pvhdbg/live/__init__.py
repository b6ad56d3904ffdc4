"""A machine of our own, or one that is attached: QEMU and gdb as child processes.

system/    child processes, signals, folders, the watcher
qemu/      QEMU: its options, its process, its monitor, the serial console
gdb/       gdb: its process, the MI client, the prompt's console
debuggee/  both together: started or attached, and what a session does with them

debuggee imports gdb and qemu, both import system. Start with debuggee/debuggee.py.
"""
