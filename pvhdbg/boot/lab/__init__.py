"""Experiments: change the boot data that the VMM passed, while the guest is stopped at its entry.

rewrite      apply `--protocol`, then each `--set`
to_protocol  `--protocol`: pass the memory map in another form
assign       `--set`: change one field or string
assignment   parse PATH=VALUE
patches      the bytes to write for a change
allocator    find guest memory for new structures

Start with rewrite.
"""
