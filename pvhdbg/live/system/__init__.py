"""What both QEMU and gdb need from the operating system.

programs     the programs that pvhdbg starts, and the oldest version that works
cache        the user's cache folder
folder       the private folder for sockets
watcher      kills QEMU and gdb no matter how pvhdbg ends
jobs         run commands in parallel
signals      SIGTERM and SIGHUP as an ordinary exit
os_errors    errors of the operating system as MachineErrors
patience     how long gdb or a gdb stub may keep pvhdbg waiting
exit_report  how a child process ended, in words
"""
