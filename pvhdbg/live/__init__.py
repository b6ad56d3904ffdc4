"""A live machine: QEMU and gdb as child processes, or gdb attached to a QEMU that is already running.

system/    child processes, signals, folders, the watcher
qemu/      QEMU: its options, its process, its monitor, the serial console
stub/      QEMU's gdb stub, asked directly, without gdb
gdb/       gdb: its process, the MI client, the prompt's console
debuggee/  QEMU and gdb together: started or attached, and what an interactive session does with them
instructions/  decode instructions
observe/   a second machine, whose boot data is watched to see who writes and reads it
back/      snapshots, and the way back to earlier moments

back imports observe; observe imports debuggee; debuggee imports gdb, qemu, stub and instructions; all of them import
system. Start with debuggee/debuggee.py.
"""
