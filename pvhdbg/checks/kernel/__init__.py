"""Rules about the kernel.

boot_params  PVH401 to PVH412: the boot_params that it built from the handover
e820         PVH421 and PVH422: its e820_table
preflight    PVH501 to PVH523: its file and QEMU's command line, examined before the start
"""
