"""What QEMU and gdb both need from the operating system.

programs     the programs that pvhdbg starts, and the oldest version that works
folder       the private folder for sockets
watcher      ends QEMU and gdb whatever happens to pvhdbg
signals      SIGTERM and SIGHUP as an ordinary way out
os_errors    errors of the operating system as errors of this machine
exit_report  how a child process ended, in words
"""
