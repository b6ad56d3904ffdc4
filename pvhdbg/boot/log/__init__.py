"""The kernel's own log, decoded from guest memory.

kernel_log  a KernelLog, and how to read it: start here
problems    the lines that report a panic, a BUG or a warning
records     the records of printk's ring buffer

Besides abi, errors, image and target.base, imports boot.stop.
"""
