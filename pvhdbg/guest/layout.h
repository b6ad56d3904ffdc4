/* The memory layout. Included by C and assembler code, so it contains only numbers. */
#ifndef LAYOUT_H
#define LAYOUT_H

/*
 * The kernel is linked at high addresses and loaded at low ones (link.ld): the byte at kernel virtual address
 * KERNEL_MAP + P is at physical address P. Before paging is on, and while the identity map exists, P is valid too.
 */
#define KERNEL_MAP		0xffffffff80000000

/* The direct map: physical address P is at DIRECT_MAP + P, for the first GiB. Early code can't access more. */
#define DIRECT_MAP		0xffff888000000000
#define DIRECT_MAP_SIZE		0x40000000

/* The entry copies this many bytes of struct hvm_start_info, even of a version 0 structure, which has only 40. */
#define START_INFO_SIZE		56

/* Selectors in our GDT. */
#define KERNEL_CS		0x08
#define KERNEL_DS		0x10

#endif
