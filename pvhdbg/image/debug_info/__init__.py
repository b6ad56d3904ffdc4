"""Names for addresses: the symbol table and the debug information of a kernel file.

symbols        look up a symbol's address, or the symbol at an address
rust_names     the mangled names of a Rust function
lookups        the results of earlier lookups in a kernel file, in the user's cache folder
dwarf          the layouts of C structures, from debug information
source_lines   the source line of an address, and what is inlined there, from debug information

Start with symbols. source_lines imports pyelftools; the other modules also run inside gdb's Python.
"""
