"""Instructions as data and as text.

decode         decode instructions. Only this module imports capstone
next_instruction  what the instruction at RIP reads and writes, and whether it jumps
guest_changes  what was changed in a copy of the teaching guest
"""
