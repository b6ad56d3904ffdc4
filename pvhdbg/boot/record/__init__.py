"""A whole run as a value: saved, decoded again and compared.

document  the kernel, the machine, every stop and the outcome: what a recording contains
replay    decode a recording again from its memory, registers and symbols
compare   the differences between two captures or two runs

Start with document. In boot, only stop is imported here.
"""
