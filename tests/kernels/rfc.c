/*
 * Fill in boot_params from start_info as in the 2017 RFC patches, for a kernel that supports only the RFC protocol:
 * rfc.py includes this file in arch/x86/platform/pvh/enlighten.c of Linux 6.1, which calls it instead of
 * init_pvh_bootparams(). The map is module 1 if its name is "e820 data". The version and the memmap fields are ignored.
 * Unlike the RFC patches, this code does not require KVM's CPUID leaf, so that it also runs under TCG.
 */

#include <linux/string.h>

/* A variable, because a compiler may turn a literal into immediate values, and pvhdbg searches the file for the bytes. */
static const char rfc_e820_name[] __initconst = "e820 data";

static bool __init rfc_is_e820_module(const struct hvm_modlist_entry *module)
{
	return module->cmdline_paddr != 0 &&
	       strncmp(__va(module->cmdline_paddr), rfc_e820_name, sizeof(rfc_e820_name)) == 0;
}

static void __init rfc_put(u32 index, u64 addr, u64 size, u32 type)
{
	struct boot_e820_entry *to = pvh_bootparams.e820_table;

	/* The index may exceed the table. Prevent the compiler from using the table's length for optimizations. */
	OPTIMIZER_HIDE_VAR(to);
	to[index].addr = addr;
	to[index].size = size;
	to[index].type = type;
}

/* The zero page counts entries in one byte, but this loop copies all entries. The module's size is never checked. */
static void __init rfc_copy_map(const struct e820_table *map)
{
	const struct e820_entry *from = map->entries;
	u32 i;

	OPTIMIZER_HIDE_VAR(from);
	pvh_bootparams.e820_entries = map->nr_entries;
	for (i = 0; i < map->nr_entries; i++)
		rfc_put(i, from[i].addr, from[i].size, from[i].type);
}

static noinline void __init rfc_init_bootparams(bool xen_guest)
{
	const struct hvm_modlist_entry *modules = __va(pvh_start_info.modlist_paddr);

	if (xen_guest)
		mem_map_via_hcall(&pvh_bootparams);
	else if (pvh_start_info.nr_modules > 1 && rfc_is_e820_module(&modules[1]))
		rfc_copy_map(__va(modules[1].paddr));

	if (pvh_bootparams.e820_entries < E820_MAX_ENTRIES_ZEROPAGE - 1)
		rfc_put(pvh_bootparams.e820_entries++, ISA_START_ADDRESS, ISA_END_ADDRESS - ISA_START_ADDRESS,
			E820_TYPE_RESERVED);

	pvh_bootparams.hdr.cmd_line_ptr = pvh_start_info.cmdline_paddr;
	if (pvh_start_info.nr_modules) {
		pvh_bootparams.hdr.ramdisk_image = modules[0].paddr;
		pvh_bootparams.hdr.ramdisk_size = modules[0].size;
	}
	pvh_bootparams.hdr.version = 0x212;
	pvh_bootparams.hdr.type_of_loader = xen_guest ? 0x90 : 0xb0;
}
