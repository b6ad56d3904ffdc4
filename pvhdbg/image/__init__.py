"""A kernel file on disk: bytes in, facts out. Nothing here reads guest memory or starts QEMU.

load           open the file that a user names: its facts and its symbols
facts          ImageFacts: segments, notes, build-id, release, PVH entry
header         ELF headers, and the file mapped into memory
notes          ELF notes as QEMU, Xen, linux-loader and the ABI read them
preflight      what QEMU's -kernel will do with the file
verdict        one result of preflight
note_verdicts  preflight's results about the notes
multiboot      multiboot headers, which QEMU prefers to a PVH entry
symbols        a symbol's address, and the symbol at an address
fingerprints   bytes of the file that identify the kernel in guest memory
bzimage        unpack the vmlinux in a bzImage
elf            what only `pvhdbg inspect` shows: sections, compiler, configuration

Start with facts. Only abi and errors are imported from outside. The third-party libraries are imported only in bzimage
(lz4, zstandard) and elf (pyelftools); every module except bzimage, elf and load also runs inside gdb's Python.
"""
