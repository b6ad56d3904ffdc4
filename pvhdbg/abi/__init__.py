"""C layouts of the PVH boot ABI as tables: offset, name, meaning. No I/O."""
