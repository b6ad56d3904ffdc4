"""The laboratory: change what the VMM handed over, at the entry stop.

rewrite      apply `--protocol` and then each `--set`
to_protocol  `--protocol`: hand the memory map over in another form
assign       `--set`: change one field or string
assignment   parse PATH=VALUE
patches      the bytes to write for a change
allocator    where new structures go in guest memory

Start with rewrite.
"""
