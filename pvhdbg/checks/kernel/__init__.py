"""Rules about the kernel.

boot_params  PVH401 to PVH412: what it made of the handover
e820         PVH421 and PVH422: its own table
image        PVH501 to PVH523: its file, and QEMU's command line
"""
