"""The rows of each view, for the TUI, for reports and inside gdb.

row               the class Row: one line with a path, an address and a value
start_info_rows   struct hvm_start_info and its modules
boot_params_rows  struct boot_params
map_rows          memory maps and e820 tables
cpu_rows          registers, control bits, segments
segment_rows      segment registers and the GDT, field by field
pointer_chain     what an address leads to, at every level
paging_rows       walks through the page tables, and what is mapped
contents          a summary of a capture, one line per structure
memory_picture    memory to scale, as cells
picture_text      the picture as characters
missing           the reason why a capture lacks a value
text              columns, sizes, addresses, quoted guest text

Start with row.
"""
