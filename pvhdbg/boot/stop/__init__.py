"""One stop of a PVH boot, decoded.

stages        the stages in order, and what is valid at each
capture       a Capture: everything decoded at one stop, frozen
stop          a Stop: a capture, the captures before it and the kernel file
read          the only place that reads guest memory: Target in, Capture out
address       symbols, pointers and RIP as physical addresses
paging        virtual to physical, by walking the page tables
protocols     the names of the memory-map protocols
kernel_probe  facts about a kernel, probed in its symbols and strings
early_maps    the physical memory that Linux has mapped in xen_prepare_pvh
regions       where the kernel, its modules and the boot structures are in memory
map_entries   memory-map entries of either C layout as plain numbers
ranges        sets of address ranges

Start with capture. Nothing else in boot is imported here.
"""
