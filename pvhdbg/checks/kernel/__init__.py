"""Rules about the kernel.

boot_params    PVH401 to PVH412: pvh_bootparams, which the kernel built from the boot data, and its copy, boot_params
e820           PVH421 and PVH422: the kernel's e820_table
preflight      PVH501 to PVH523: the kernel file and QEMU's command line, examined before QEMU starts
image_defects  PVH524 to PVH538: where the kernel file has its notes, its segments and its entry
vmm_loader     PVH539 to PVH546: what the loader of another VMM would do with the kernel file
"""
