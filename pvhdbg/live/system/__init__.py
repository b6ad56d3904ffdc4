"""What QEMU and gdb both need from the operating system.

programs     the programs that pvhdbg starts, and the oldest version that works
folder       the private folder for sockets
watcher      kills QEMU and gdb when pvhdbg ends in any way
signals      SIGTERM and SIGHUP as an ordinary exit
os_errors    errors of the operating system as MachineErrors
exit_report  how a child process ended, in words
"""
