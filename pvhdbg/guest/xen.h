/* What the PVH entry asks Xen, if Xen started the kernel. */
#ifndef XEN_H
#define XEN_H

#include "bootparam.h"

/* xen.c */
void mem_map_via_hcall(struct boot_params *boot_params);

#endif
