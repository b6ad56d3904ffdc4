/*
 * From the zero page's memory map to the kernel's own.
 *
 * The firmware's list may be in any order, overlap itself and hold empty ranges. The kernel wants it sorted, each byte
 * listed once at most, and neighbours of one type joined. The result is what the memory allocator is built on, and what
 * the kernel prints: the "BIOS-e820" lines that every Linux log begins with. They are printed here in the same form.
 */
#include "e820.h"
#include "bootparam.h"
#include "console.h"

/* Linux makes do with this when it has no usable map: the classic low memory of a PC. */
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

/* True if the last byte of the range would lie beyond the last address there is. */
static bool wraps_around(u64 addr, u64 size)
{
	return size != 0 && addr + size - 1 < addr;
}

/* A map that lists nothing but one range, or a range no machine can have, is taken for no map at all. */
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

/* The addresses at which the map can change, in ascending order, each once. Their number. */
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

/* Of several types claimed for one byte the largest number wins; 0 where nothing is claimed. */
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

/* Neighbours of these types stay apart: their borders may be those of devices. */
static bool never_joined(u32 type)
{
	return type == E820_TYPE_PRAM || type == E820_TYPE_SOFT_RESERVED;
}

/* Between two neighbouring edges a single type holds. Walk them, and let a range grow for as long as its type lasts. */
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

/* A range that ends at the very end of the address space has no end to compare with: the map then stays as it is. */
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
