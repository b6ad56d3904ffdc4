"""The writers and readers of each field of the boot data, from the instructions that were observed.

Nothing here accesses a machine. Start with answer: it has what the commands show.

answer       what is known about a field: its writers and its readers
fields       paths of fields, and the bytes that they stand for
request      what the user asks about: a path, or an address
instruction  what an instruction reads and writes
roms         the firmware's code: which program is where, and where it starts DMA transfers
copies       which registers and which memory hold a copy of an input field
access       the accesses to boot data that were observed, in order
attribution  from accesses to the writers and readers of fields
"""
