"""One stop of a PVH boot, decoded.

stages        the stages in order, and the data that is valid at each
capture       a Capture: everything that was decoded at one stop, immutable
stop          a Stop: a capture, the captures before it and the kernel file
hypercall     the hypercall with which a kernel asks Xen for its memory map
read          follow the pointers in guest memory and decode what they point to: a Target in, a Capture out
late          read what memory still holds after stages that were not captured
evidence      read memory that only the checks use: code, page tables, firmware tables, the start of a module
page_tables   which page tables a stop records, and how they are read again
address       the physical addresses of symbols, pointers and RIP
protocols     the names of the memory-map protocols
kernel_probe  look up the symbols and strings that determine a kernel's behavior
early_maps    the physical memory that Linux has mapped in xen_prepare_pvh
regions       where the kernel, its modules and the boot structures are in memory
map_entries   memory-map entries of both C layouts as plain numbers
ranges        operations on sets of address ranges

Start with capture. No other folder of boot is imported here.
"""
