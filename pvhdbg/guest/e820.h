/*
 * Memory maps in an x86 kernel. "E820" is the BIOS call that returned the memory map on old PCs. PVH does not have this
 * call, but it uses the same list of ranges and the same type numbers.
 */
#ifndef E820_H
#define E820_H

#include "types.h"

enum e820_type {
	E820_TYPE_RAM		= 1,
	E820_TYPE_RESERVED	= 2,
	E820_TYPE_ACPI		= 3,
	E820_TYPE_NVS		= 4,
	E820_TYPE_UNUSABLE	= 5,
	E820_TYPE_PMEM		= 7,
	E820_TYPE_PRAM		= 12,
	E820_TYPE_SOFT_RESERVED	= 0xefffffff,
};

struct e820_entry {
	u64 addr;
	u64 size;
	enum e820_type type;
} packed;

/*
 * A zero page has at most 255 entries (its count is one byte). n ranges have 2n edges, with at most 2n - 1 ranges
 * between them, so this table cannot overflow.
 */
#define E820_MAX_ENTRIES	512

/* Also the format of the "e820 data" module: the count, then entries of 20 bytes each, starting at byte 4. */
struct e820_table {
	u32 nr_entries;
	struct e820_entry entries[E820_MAX_ENTRIES];
};

_Static_assert(sizeof(struct e820_entry) == 20, "packed");
_Static_assert(__builtin_offsetof(struct e820_table, entries) == 4, "entries follow the count");

/* e820.c */
extern struct e820_table *e820_table;
void e820__memory_setup(void);

#endif
