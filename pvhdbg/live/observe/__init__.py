"""A second machine, whose boot data is watched to see who writes and reads it.

who_run   boot the machine, and return what is known about each field. Start here
observer  step and run, and turn each stop into accesses to boot data
regions   which addresses are boot data, and under which linear addresses the guest reaches them
operands  the addresses of an instruction's operands
decode    decode instructions. Only this module imports capstone
"""
