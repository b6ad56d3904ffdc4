/*
 * In start_kernel and later, a fault is reported before the kernel halts. An earlier fault resets the machine: without
 * an interrupt descriptor table, the CPU has no handler for it or for the faults that follow (a triple fault).
 */
#include "console.h"
#include "kernel.h"

#define NR_EXCEPTIONS		32
#define ENTRY_SIZE		16
#define INTERRUPT_GATE		0x8e00		/* present, ring 0, 64-bit */

struct gate {
	u16 address_0_15;
	u16 selector;
	u16 attributes;
	u16 address_16_31;
	u32 address_32_63;
	u32 reserved;
};

/* The stack when exceptions.S calls report_exception(): two words pushed by the entry, then five by the CPU. */
struct exception_frame {
	u64 vector, error_code;
	u64 rip, cs, rflags, rsp, ss;
};

static struct gate idt[NR_EXCEPTIONS];

/* exceptions.S */
extern const u8 exception_entries[NR_EXCEPTIONS][ENTRY_SIZE];

__attribute__((noreturn)) void report_exception(const struct exception_frame *frame);

void report_exception(const struct exception_frame *frame)
{
	u64 cr2;

	__asm__("mov %%cr2, %0" : "=r"(cr2));
	printk("exception %u at %#llx, error code %#llx, cr2 %#llx\n", (u32)frame->vector, frame->rip,
	       frame->error_code, cr2);
	halt();
}

void exceptions_init(void)
{
	struct {
		u16 limit;
		u64 base;
	} packed pointer = { sizeof(idt) - 1, (u64)idt };

	for (u32 i = 0; i < NR_EXCEPTIONS; i++) {
		u64 address = (u64)exception_entries[i];

		idt[i] = (struct gate) {
			.address_0_15 = address,
			.selector = KERNEL_CS,
			.attributes = INTERRUPT_GATE,
			.address_16_31 = address >> 16,
			.address_32_63 = address >> 32,
		};
	}
	__asm__ volatile("lidt %0" : : "m"(pointer));
}
