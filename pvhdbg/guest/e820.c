/*
 * Build the kernel's memory map from the one in the zero page.
 *
 * The firmware's map may be unsorted and contain overlapping or empty ranges. The kernel needs a sorted map that lists
 * each byte at most once, with adjacent ranges of the same type joined. The kernel's memory allocator uses the result.
 * Linux prints it as the "BIOS-e820" lines at the start of its log. This guest prints the same format.
 */
#include "e820.h"
#include "bootparam.h"
#include "console.h"

/* The RAM that Linux assumes if it has no usable map: the low memory of an old PC. */
#define LOW_MEMORY_SIZE		0x9f000

static struct e820_table table_storage;
struct e820_table *e820_table = &table_storage;

static void add_range(struct e820_table *table, u64 addr, u64 size, u32 type)
{
	struct e820_entry *entry = &table->entries[table->nr_entries++];

	entry->addr = addr;
	entry->size = size;
	entry->type = type;
}

/* Return true if the range extends past the end of the address space. */
static bool wraps_around(u64 addr, u64 size)
{
	return size != 0 && addr + size - 1 < addr;
}

/* Return false if the map is not usable: it has fewer than two ranges, or a range that wraps around. */
static bool take_from_zero_page(void)
{
	const struct boot_e820_entry *from = boot_params.e820_table;

	if (boot_params.e820_entries < 2)
		return false;
	for (u32 i = 0; i < boot_params.e820_entries; i++) {
		if (wraps_around(from[i].addr, from[i].size))
			return false;
		add_range(e820_table, from[i].addr, from[i].size, from[i].type);
	}
	return true;
}

/* Store the addresses at which the type can change, sorted and without duplicates; return their number. */
static u32 collect_edges(const struct e820_table *table, u64 edges[])
{
	u32 count = 0;

	for (u32 i = 0; i < 2 * table->nr_entries; i++) {
		const struct e820_entry *entry = &table->entries[i / 2];
		u64 edge = i % 2 ? entry->addr + entry->size : entry->addr;
		u32 place = count;

		while (place > 0 && edges[place - 1] > edge)
			place--;
		if (entry->size == 0 || (place > 0 && edges[place - 1] == edge))
			continue;
		for (u32 moved = count++; moved > place; moved--)
			edges[moved] = edges[moved - 1];
		edges[place] = edge;
	}
	return count;
}

/* If several ranges contain the address, the largest type number wins. Return 0 if no range contains it. */
static u32 type_at(const struct e820_table *table, u64 addr)
{
	u32 type = 0;

	for (u32 i = 0; i < table->nr_entries; i++) {
		const struct e820_entry *entry = &table->entries[i];

		if (addr >= entry->addr && addr - entry->addr < entry->size && entry->type > type)
			type = entry->type;
	}
	return type;
}

/* Adjacent ranges of these types are not joined: each may be a separate device. */
static bool never_joined(u32 type)
{
	return type == E820_TYPE_PRAM || type == E820_TYPE_SOFT_RESERVED;
}

/* The type is constant between two adjacent edges. Walk them, and extend a range while the type stays the same. */
static void join_ranges(const struct e820_table *from, struct e820_table *to)
{
	static u64 edges[2 * E820_MAX_ENTRIES];
	u32 nr_edges = collect_edges(from, edges);
	u32 last_type = 0;

	to->nr_entries = 0;
	for (u32 i = 0; i + 1 < nr_edges; i++) {
		u64 size = edges[i + 1] - edges[i];
		u32 type = type_at(from, edges[i]);

		if (type != 0 && (type != last_type || never_joined(type)))
			add_range(to, edges[i], size, type);
		else if (type != 0)
			to->entries[to->nr_entries - 1].size += size;
		last_type = type;
	}
}

/* If a range ends at the end of the address space, its end wraps to 0. The map is then left unchanged. */
static bool can_be_sorted(const struct e820_table *table)
{
	for (u32 i = 0; i < table->nr_entries; i++)
		if (table->entries[i].addr + table->entries[i].size < table->entries[i].addr)
			return false;
	return true;
}

static void sanitize(struct e820_table *table)
{
	static struct e820_table joined;

	if (!can_be_sorted(table))
		return;
	join_ranges(table, &joined);
	*table = joined;
}

static void print_entry(const char *who, const struct e820_entry *entry)
{
	printk("%s: [mem %#018llx-%#018llx] ", who, entry->addr, entry->addr + entry->size - 1);

	switch (entry->type) {
	case E820_TYPE_RAM:		printk("usable\n"); break;
	case E820_TYPE_RESERVED:	printk("reserved\n"); break;
	case E820_TYPE_ACPI:		printk("ACPI data\n"); break;
	case E820_TYPE_NVS:		printk("ACPI NVS\n"); break;
	case E820_TYPE_UNUSABLE:	printk("unusable\n"); break;
	case E820_TYPE_SOFT_RESERVED:	printk("soft reserved\n"); break;
	case E820_TYPE_PMEM:
	case E820_TYPE_PRAM:		printk("persistent (type %u)\n", entry->type); break;
	default:			printk("type %u\n", entry->type);
	}
}

void e820__memory_setup(void)
{
	const char *who = "BIOS-e820";

	e820_table->nr_entries = 0;
	if (!take_from_zero_page()) {
		who = "BIOS-e801";
		e820_table->nr_entries = 0;
		add_range(e820_table, 0, LOW_MEMORY_SIZE, E820_TYPE_RAM);
	}
	sanitize(e820_table);

	printk("BIOS-provided physical RAM map:\n");
	for (u32 i = 0; i < e820_table->nr_entries; i++)
		print_entry(who, &e820_table->entries[i]);
}
