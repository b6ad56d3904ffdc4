/*
 * Translate start_info to boot_params: the purpose of the PVH entry.
 *
 * entry.S has copied struct hvm_start_info and calls xen_prepare_pvh() with paging on. The rest of an x86 kernel does
 * not know PVH: it expects struct boot_params, as a BIOS boot loader would fill it in. This file fills it in from
 * start_info, once.
 *
 * Like Linux, this code trusts its input: it follows pointers and uses counts without checking them. If the VMM makes a
 * mistake, the kernel crashes here first, without a message.
 */
#include "bootparam.h"
#include "e820.h"
#include "start_info.h"
#include "xen.h"

#define TYPE_OF_LOADER_QEMU	0xb0
#define TYPE_OF_LOADER_XEN	0x90
#define BOOT_PROTOCOL_2_12	0x020c

#define ISA_START_ADDRESS	0x0a0000
#define ISA_END_ADDRESS		0x100000

/* Written by entry.S, before any C code runs. */
struct hvm_start_info pvh_start_info;

/* It is last in memory (link.ld), because a map with more than 168 entries is written past its end. */
__attribute__((section(".bss.pvh_bootparams"), aligned(16)))
struct boot_params pvh_bootparams;

/* Where the memory map came from. main.c prints it. */
const char *pvh_map_source;

void xen_prepare_pvh(void);

static void cpuid(u32 leaf, u32 registers[4])
{
	__asm__ volatile("cpuid"
			 : "=a"(registers[0]), "=b"(registers[1]), "=c"(registers[2]), "=d"(registers[3])
			 : "a"(leaf), "c"(0));
}

/* Hypervisors identify themselves in CPUID leaf 0x40000000. Xen's leaves may start at any multiple of 0x100 above. */
static bool running_on_xen(void)
{
	u32 found[4];

	for (u32 base = 0x40000000; base < 0x40010000; base += 0x100) {
		cpuid(base, found);
		/* EBX, ECX, EDX spell "XenVMMXenVMM"; EAX is the last leaf. */
		if (found[1] == 0x566e6558 && found[2] == 0x65584d4d && found[3] == 0x4d4d566e && found[0] - base >= 2)
			return true;
	}
	return false;
}

/*
 * The memory map in the current ABI: a table that start_info points to.
 *
 * The zero page stores the number of entries in one byte, so 256 entries become 0. It has space for 128 entries, but
 * nothing prevents a longer table from being written past them. Linux has the same behavior in both cases.
 */
static visible_step void map_from_memmap(struct boot_e820_entry *to)
{
	const struct hvm_memmap_table_entry *from = __va(pvh_start_info.memmap_paddr);

	pvh_map_source = "the memmap table";
	pvh_bootparams.e820_entries = pvh_start_info.memmap_entries;

	for (u32 i = 0; i < pvh_bootparams.e820_entries; i++) {
		to[i].addr = from[i].addr;
		to[i].size = from[i].size;
		to[i].type = from[i].type;
	}
}

/* Compare all ten bytes, including the NUL. */
static bool is_e820_data(const char *name)
{
	static const char expected[] = "e820 data";

	for (u32 i = 0; i < sizeof(expected); i++)
		if (name[i] != expected[i])
			return false;
	return true;
}

/* The 2017 RFC for this ABI had no memmap table: module 1 was the memory map if it had this name. */
static bool has_e820_module(const struct hvm_modlist_entry modules[])
{
	return pvh_start_info.nr_modules > 1 && modules[1].cmdline_paddr != 0 &&
	       is_e820_data(__va(modules[1].cmdline_paddr));
}

/*
 * The memory map in the 2017 RFC: the module is a struct e820_table. The module's size is never checked. The count in
 * the zero page is truncated to a byte here too, but all entries are copied.
 */
static visible_step void map_from_e820_module(struct boot_e820_entry *to, const struct hvm_modlist_entry *module)
{
	const struct e820_table *blob = __va(module->paddr);
	const struct e820_entry *from = blob->entries;
	u32 nr_entries = blob->nr_entries;

	pvh_map_source = "the \"e820 data\" module";
	pvh_bootparams.e820_entries = nr_entries;

	for (u32 i = 0; i < nr_entries; i++) {
		to[i].addr = from[i].addr;
		to[i].size = from[i].size;
		to[i].type = from[i].type;
	}
}

/* Xen's domain 0 has version 0 of start_info, without a map. */
static void map_from_xen(struct boot_params *to)
{
	pvh_map_source = "a hypercall to Xen";
	mem_map_via_hcall(to);
}

/* Reserve the range for video memory and ROMs below 1 MiB, because some VMMs do not list it. */
static void add_isa_hole(void)
{
	struct boot_e820_entry *next = &pvh_bootparams.e820_table[pvh_bootparams.e820_entries];

	if (pvh_bootparams.e820_entries >= E820_MAX_ENTRIES_ZEROPAGE - 1)
		return;
	next->addr = ISA_START_ADDRESS;
	next->size = ISA_END_ADDRESS - ISA_START_ADDRESS;
	next->type = E820_TYPE_RESERVED;
	pvh_bootparams.e820_entries++;
}

static visible_step void init_pvh_bootparams(bool xen_guest)
{
	const struct hvm_modlist_entry *modules = __va(pvh_start_info.modlist_paddr);

	memset(&pvh_bootparams, 0, sizeof(pvh_bootparams));

	if (pvh_start_info.version > 0 && pvh_start_info.memmap_entries != 0)
		map_from_memmap(pvh_bootparams.e820_table);
	else if (has_e820_module(modules))
		map_from_e820_module(pvh_bootparams.e820_table, &modules[1]);
	else if (xen_guest)
		map_from_xen(&pvh_bootparams);
	else
		BUG();
	add_isa_hole();

	/* The fields of boot_params have 32 bits: larger addresses are truncated. */
	pvh_bootparams.hdr.cmd_line_ptr = pvh_start_info.cmdline_paddr;

	/* Module 0 is the initrd, whatever its name is. */
	if (pvh_start_info.nr_modules != 0) {
		pvh_bootparams.hdr.ramdisk_image = modules[0].paddr;
		pvh_bootparams.hdr.ramdisk_size = modules[0].size;
	}

	/* A boot loader sets its protocol version and its type. Here, the kernel is its own boot loader. */
	pvh_bootparams.hdr.version = BOOT_PROTOCOL_2_12;
	pvh_bootparams.hdr.type_of_loader = xen_guest ? TYPE_OF_LOADER_XEN : TYPE_OF_LOADER_QEMU;

	pvh_bootparams.acpi_rsdp_addr = pvh_start_info.rsdp_paddr;
}

void xen_prepare_pvh(void)
{
	bool xen_guest = running_on_xen();

	if (pvh_start_info.magic != XEN_HVM_START_MAGIC_VALUE)
		BUG();

	init_pvh_bootparams(xen_guest);
}
