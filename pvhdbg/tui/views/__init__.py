"""The views of the screen: one table, and one file for each view. A new view is a row and a file.

table        every view: key, name, what it shows, what works only there. Start here
view         View, a row of that table
shown        the rows of the view on the screen, and the selected one
row_lines    rows as lines of text, unless a view draws its own
start_info   struct hvm_start_info and the command line
modules      the module list
memory       the memory map and e820_table
boot_params  struct boot_params
findings     what the rules found
code         source or instructions at RIP
raw_bytes    memory as hex: the view "bytes"
cpu          registers
serial       the serial console
"""
