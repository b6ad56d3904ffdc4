/*
 * What the virtual machine monitor (VMM) passes to the kernel. EBX holds the physical address of struct hvm_start_info
 * at the first instruction. All other structures are found through the physical addresses in it.
 *
 * The layout is defined by Xen in xen/include/public/arch-x86/hvm/start_info.h. An address of 0 means "not present".
 */
#ifndef START_INFO_H
#define START_INFO_H

#include "types.h"

#define XEN_HVM_START_MAGIC_VALUE	0x336ec578	/* "xEn3", with bit 7 of the E set */

struct hvm_start_info {
	u32 magic;
	u32 version;		/* 0: ends before memmap_paddr; 1: complete */
	u32 flags;
	u32 nr_modules;
	u64 modlist_paddr;	/* struct hvm_modlist_entry[nr_modules] */
	u64 cmdline_paddr;	/* NUL-terminated string */
	u64 rsdp_paddr;		/* the root of the ACPI tables */
	u64 memmap_paddr;	/* struct hvm_memmap_table_entry[memmap_entries] */
	u32 memmap_entries;
	u32 reserved;
};

/* A file that is loaded together with the kernel. Module 0 is the initrd. */
struct hvm_modlist_entry {
	u64 paddr;
	u64 size;
	u64 cmdline_paddr;
	u64 reserved;
};

/* A range of physical addresses. e820.h has the types. */
struct hvm_memmap_table_entry {
	u64 addr;
	u64 size;
	u32 type;
	u32 reserved;
};

_Static_assert(sizeof(struct hvm_start_info) == START_INFO_SIZE, "entry.S copies START_INFO_SIZE bytes");
_Static_assert(sizeof(struct hvm_modlist_entry) == 32, "the size in the ABI is 32");
_Static_assert(sizeof(struct hvm_memmap_table_entry) == 24, "the size in the ABI is 24");

/* pvh.c */
extern struct hvm_start_info pvh_start_info;
extern const char *pvh_map_source;

#endif
