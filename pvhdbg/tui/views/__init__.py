"""The views of the screen: one table, and one file for each view. To add a view, add a row and a file.

table        the table of views. Start here
view         View: a row of that table
shown        the rows of the displayed view, and the selected row
row_lines    how rows are drawn in all views that don't draw their own
start_info   struct hvm_start_info and the command line
modules      the module list
memory       the memory map and e820_table
boot_params  struct boot_params
findings     what the rules found
code         source or instructions at RIP
raw_bytes    memory as hex: the view "bytes"
cpu          registers
paging       the walks through the page tables, and what is mapped
serial       the serial console
log          the kernel's own log
"""
