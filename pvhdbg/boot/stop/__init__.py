"""One stop of a PVH boot, decoded.

stages        the stages, in order, and what is valid at each
capture       a Capture: everything decoded at one stop, frozen
read          the only place that reads guest memory: Target in, Capture out
address       symbols, pointers and RIP as physical addresses
paging        virtual to physical, by walking the page tables
protocols     the names of the ways to hand over a memory map
kernel_probe  facts about a kernel, probed in its symbols and strings
early_maps    the physical memory that Linux can read in xen_prepare_pvh
regions       what lies where: the kernel, its modules, the handed-over structures
map_entries   entries of a memory map of either protocol
ranges        sets of address ranges

Start with capture. Nothing else in boot is imported here.
"""
