"""A whole run as a value: saved, decoded again and compared.

document  the kernel, the machine, every stop and the outcome: what a recording holds
replay    a recording decoded again from its memory, registers and symbols
compare   what differs between two captures or two runs

Start with document. Of boot only stop is imported here.
"""
