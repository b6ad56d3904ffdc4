"""What pvhdbg knows about each PVH guest, as data: how to recognize it, its stages, its variables, its peculiarities.

profile      the types: a GuestProfile, its stages and variables
linux        Linux and the teaching guest, which boots like Linux
bsd          FreeBSD and NetBSD
hypervisors  Xen, GRUB and Mini-OS, and firmware
unikernels   OSv, Nanos, Asterinas and Hermit
table        all profiles, and the one that fits a kernel file

Start with profile. Nothing here reads a file or guest memory, and nothing else of pvhdbg is imported.
"""
