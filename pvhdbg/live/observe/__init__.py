"""A second machine, whose boot data is watched to see what writes and reads it.

who_run      boot the machine, and return what is known about each field. Start here
firmware     run from the reset to the entry, and turn each stop into writes to boot data
observer     step and run from the entry on, and turn each stop into accesses to boot data
unfinished   the boot data of a guest that died
regions      which addresses are boot data, and under which linear addresses the guest reaches them
tracer       record every instruction, and what it wrote
operands     the addresses of an instruction's operands
code_places  names of places in the guest's code
"""
