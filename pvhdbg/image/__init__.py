"""Read a kernel file: bytes in, facts out. Nothing here reads guest memory or starts QEMU.

load           open the file that a user names, and return its facts and symbols
facts          ImageFacts: segments, notes, build-id, release, PVH entry
header         ELF headers
file           a file that can be sliced like bytes, and searches in it
notes          ELF notes as QEMU, Xen, linux-loader and the ABI read them
preflight      what QEMU's -kernel will do with the file: the pre-start check
verdicts/      what a verdict is, and the verdicts about the notes, the segments and the entry
vmm_loaders/   what the loaders of other VMMs will do with the file
limits         the limits of `pvhdbg inspect`, and remarks about a file that exceeds them
multiboot      find multiboot headers, which QEMU prefers to a PVH entry
debug_info/    symbols, layouts of structures, and source lines
fingerprints   bytes of the file that identify the kernel in guest memory
loaded_part    write a copy of an ELF file without its debug information
bzimage        unpack the vmlinux in a bzImage
elf            read what only `pvhdbg inspect` shows: sections, compiler, configuration

Start with facts. From outside, only abi and errors are imported. Third-party libraries are imported only in bzimage
(lz4, zstandard), elf and debug_info.source_lines (pyelftools). Every module except these and load also runs inside
gdb's Python.
"""
