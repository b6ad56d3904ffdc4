"""QEMU as a child process.

options         QEMU's options, and the command line made from them
events          why QEMU shut down
end_detection   detect that a running guest has panicked or halted for good
carrier         the file that QEMU boots in place of a kernel that pvhdbg loads (`--load`)
process         the QEMU process: start it, kill it, report its exit
qmp             send a command to QEMU's monitor
snapshots       save the machine's state, and go back to it
snapshot_file   the file that holds the snapshots
serial          the guest's serial console
firmware        which firmware boots a microvm
xen             QEMU with a real Xen, which starts the kernel
working_folder  where QEMU runs, so that no file next to the kernel replaces its firmware
"""
