"""A whole run as a value, which can be saved, decoded again and compared.

document  what a recording contains: the kernel, the machine, every stop and the outcome
replay    decode a recording again from its memory, registers and symbols
checked   the values of a parsed JSON document, checked
stored    what a recording keeps as it was found
trace     every executed instruction, and what it wrote
trace_index  the registers and the memory at every instruction of a trace
trace_moves  steps over calls, and out of loops and functions
save      write a file atomically
compare   find the differences between two captures or two runs
readers   which differences the guest reads
runs      several boots, and how each ended

Start with document. From boot, only stop is imported here.
"""
