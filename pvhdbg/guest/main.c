/*
 * The main part of the kernel. It does not depend on PVH: its input is struct boot_params.
 *
 * A real kernel would now set up its memory allocator, then everything else. This one prints what it was given, builds
 * its memory map, and halts.
 */
#include "bootparam.h"
#include "console.h"
#include "e820.h"
#include "kernel.h"
#include "start_info.h"

#define COMMAND_LINE_SIZE	2048
#define MODULES_SHOWN		8
#define TEXT_SHOWN		128
#define ONE_MIB			0x100000

/* In memory, 2 KiB of zeros follow it (link.ld): e820_entries can be up to 255, but only 168 entries fit in the page. */
__attribute__((section(".bss.boot_params"), aligned(16)))
struct boot_params boot_params;

static char boot_command_line[COMMAND_LINE_SIZE];

void halt(void)
{
	printk("halting\n");
	for (;;)
		__asm__ volatile("cli; hlt");
}

static __attribute__((noreturn)) void panic(const char *why)
{
	printk("panic: %s\n", why);
	halt();
}

/* Copy the zero page and the command line, because the kernel may reuse the memory in which they are now. */
static void copy_bootdata(const struct boot_params *real_mode_data)
{
	u32 paddr;

	memcpy(&boot_params, real_mode_data, sizeof(boot_params));

	paddr = boot_params.hdr.cmd_line_ptr;
	if (paddr != 0 && paddr <= DIRECT_MAP_SIZE - COMMAND_LINE_SIZE)
		memcpy(boot_command_line, __va(paddr), COMMAND_LINE_SIZE);
}

/* The first C function after the identity map was removed. */
void x86_64_start_kernel(u64 boot_params_paddr)
{
	copy_bootdata(__va(boot_params_paddr));
	start_kernel();
}

static void tell_start_info(void)
{
	printk("hvm_start_info\n");
	printk("  magic           %#x\n", pvh_start_info.magic);
	printk("  version         %u\n", pvh_start_info.version);
	printk("  flags           %#x\n", pvh_start_info.flags);
	printk("  nr_modules      %u\n", pvh_start_info.nr_modules);
	printk("  modlist_paddr   %#llx\n", pvh_start_info.modlist_paddr);
	printk("  cmdline_paddr   %#llx\n", pvh_start_info.cmdline_paddr);
	printk("  rsdp_paddr      %#llx\n", pvh_start_info.rsdp_paddr);
	/* A version 0 structure ends here. The bytes that we copied after it are unrelated. */
	if (pvh_start_info.version == 0)
		return;
	printk("  memmap_paddr    %#llx\n", pvh_start_info.memmap_paddr);
	printk("  memmap_entries  %u\n", pvh_start_info.memmap_entries);
	printk("  reserved        %#x\n", pvh_start_info.reserved);
}

static void tell_text_at(u64 paddr)
{
	u64 reach = DIRECT_MAP_SIZE - paddr;

	if (paddr == 0)
		printk("none");
	else if (paddr >= DIRECT_MAP_SIZE)
		printk("out of reach");
	else
		print_escaped(__va(paddr), reach < TEXT_SHOWN ? reach : TEXT_SHOWN);
}

static void tell_modules(void)
{
	u32 shown = pvh_start_info.nr_modules < MODULES_SHOWN ? pvh_start_info.nr_modules : MODULES_SHOWN;
	const struct hvm_modlist_entry *modules = __va(pvh_start_info.modlist_paddr);

	if (pvh_start_info.modlist_paddr > DIRECT_MAP_SIZE - sizeof(modules[0]) * MODULES_SHOWN)
		shown = 0;
	for (u32 i = 0; i < shown; i++) {
		printk("module %u: paddr %#llx, size %#llx, cmdline ", i, modules[i].paddr, modules[i].size);
		tell_text_at(modules[i].cmdline_paddr);
		printk("\n");
	}
	if (shown < pvh_start_info.nr_modules)
		printk("modules not shown: %u\n", pvh_start_info.nr_modules - shown);
}

static void tell_boot_params(void)
{
	printk("memory map: from %s\n", pvh_map_source);
	printk("boot_params\n");
	printk("  acpi_rsdp_addr      %#llx\n", boot_params.acpi_rsdp_addr);
	printk("  e820_entries        %u\n", boot_params.e820_entries);
	printk("  hdr.version         %#x\n", boot_params.hdr.version);
	printk("  hdr.type_of_loader  %#x\n", boot_params.hdr.type_of_loader);
	printk("  hdr.ramdisk_image   %#x\n", boot_params.hdr.ramdisk_image);
	printk("  hdr.ramdisk_size    %#x\n", boot_params.hdr.ramdisk_size);
	printk("  hdr.cmd_line_ptr    %#x\n", boot_params.hdr.cmd_line_ptr);
	printk("Command line: ");
	print_escaped(boot_command_line, COMMAND_LINE_SIZE);
	printk("\n");
}

/* A kernel needs RAM above the first MiB. */
static bool has_memory(void)
{
	for (u32 i = 0; i < e820_table->nr_entries; i++) {
		const struct e820_entry *entry = &e820_table->entries[i];

		if (entry->type == E820_TYPE_RAM && entry->addr + entry->size > ONE_MIB)
			return true;
	}
	return false;
}

void start_kernel(void)
{
	serial_init();
	exceptions_init();

	printk("pvhdbg teaching guest\n");
	tell_start_info();
	tell_modules();
	tell_boot_params();

	e820__memory_setup();
	if (!has_memory())
		panic("the memory map has no RAM above 1 MiB");
	halt();
}
