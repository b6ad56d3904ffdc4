/* Where things lie. Read by C and by the assembler, so nothing but numbers. */
#ifndef LAYOUT_H
#define LAYOUT_H

/*
 * The kernel is linked to run high and loaded low (link.ld): the byte at kernel virtual address KERNEL_MAP + P lies at
 * physical address P. Until paging is on, and for as long as the identity map lives, it is also reached at plain P.
 */
#define KERNEL_MAP		0xffffffff80000000

/* The direct map: physical address P is at DIRECT_MAP + P, for the first GiB. Beyond it early code reaches nothing. */
#define DIRECT_MAP		0xffff888000000000
#define DIRECT_MAP_SIZE		0x40000000

/* struct hvm_start_info as the entry copies it: always this many bytes, also of a version 0 structure, which has 40. */
#define START_INFO_SIZE		56

/* Selectors in our GDT. */
#define KERNEL_CS		0x08
#define KERNEL_DS		0x10

#endif
