"""QEMU as a child process.

options   the options, and the command line they make
process   QEMU itself: started, killed, its exit
qmp       its monitor
serial    the guest's serial console
firmware  which firmware starts a microvm
"""
