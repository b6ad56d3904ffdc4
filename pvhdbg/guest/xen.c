/*
 * The memory map from Xen. A PVH domain 0 gets a start_info without a map: Xen expects the kernel to ask for the map with
 * a hypercall, as Linux does in xen_prepare_pvh. The functions have the same names as in Linux.
 */
#include "xen.h"

#define HYPERVISOR_MEMORY_OP	12
#define XENMEM_MEMORY_MAP	9

/* The argument of XENMEM_memory_map: the size of the buffer in entries, and its virtual address. */
struct xen_memory_map {
	u32 nr_entries;
	struct boot_e820_entry *buffer;
};

/*
 * A hypercall: RAX is its number, RDI and RSI are its arguments. VMMCALL leaves the guest on AMD's CPUs, which is what
 * QEMU's TCG emulates; Xen puts the result into RAX.
 */
__asm__(".pushsection .text\n"
	".globl xen_hypercall_amd\n"
	".type xen_hypercall_amd, @function\n"
	"xen_hypercall_amd:\n"
	"	vmmcall\n"
	"	ret\n"
	".size xen_hypercall_amd, . - xen_hypercall_amd\n"
	".popsection\n");

static long memory_op(long op, struct xen_memory_map *map)
{
	long result;

	__asm__ volatile("call xen_hypercall_amd"
			 : "=a"(result), "+D"(op), "+S"(map)
			 : "0"((long)HYPERVISOR_MEMORY_OP)
			 : "memory", "cc");
	return result;
}

visible_step void mem_map_via_hcall(struct boot_params *boot_params)
{
	struct xen_memory_map map = {
		.nr_entries = E820_MAX_ENTRIES_ZEROPAGE,
		.buffer = boot_params->e820_table,
	};

	if (memory_op(XENMEM_MEMORY_MAP, &map) != 0)
		BUG();
	boot_params->e820_entries = map.nr_entries;
}
