/*
 * The first instructions.
 *
 * The VMM (QEMU, for example) has loaded the segments of the kernel file into memory, found the note at the end of this
 * file, and jumped to the address in the note. The CPU is in 32-bit protected mode without paging: all addresses are
 * physical. Interrupts are off. EBX holds the physical address of struct hvm_start_info. The other general registers
 * hold nothing useful, and there is no stack yet.
 *
 * Four steps lead to the first line of C: copy start_info, turn on paging, switch to 64-bit mode, call.
 */
#include "layout.h"

/* A symbol's value is its kernel virtual address. This is the physical address where its bytes are loaded. */
#define pa(symbol)		((symbol) - KERNEL_MAP)

#define CR0_PE			0x00000001	/* protected mode */
#define CR0_PG			0x80000000	/* paging */
#define CR4_PAE			0x20		/* page table entries of 8 bytes, needed for 64-bit mode */
#define MSR_EFER		0xc0000080
#define EFER_LME		0x100		/* 64-bit mode, once paging is on */

	.cfi_sections .debug_frame	/* .cfi_undefined rip, below, ends a debugger's backtrace */

	.section .head.text, "ax"

	.code32
	.globl pvh_start_xen
	.type pvh_start_xen, @function
pvh_start_xen:
	cld

	/* The VMM's segments are usable, but its GDT may be in memory that we will reuse: load our own. */
	lgdt pa(gdt_pointer_low)
	mov $KERNEL_DS, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %ss

	/* 1. Copy start_info: all later code reads the copy. */
	mov %ebx, %esi
	mov $pa(pvh_start_info), %edi
	mov $START_INFO_SIZE / 4, %ecx
	rep movsl

	mov $pa(early_stack_end), %esp

	/* 2. and 3. Turn on paging with the tables below. Because EFER.LME is set, this also enters long mode. */
	mov %cr4, %eax
	or $CR4_PAE, %eax
	mov %eax, %cr4

	mov $MSR_EFER, %ecx
	rdmsr
	or $EFER_LME, %eax
	wrmsr

	mov $pa(top_page_table), %eax
	mov %eax, %cr3

	mov $CR0_PG | CR0_PE, %eax
	mov %eax, %cr0

	/* The CPU still runs 32-bit code. Loading the 64-bit code segment switches to 64-bit code. */
	ljmp $KERNEL_CS, $pa(pvh_start_64)
	.size pvh_start_xen, . - pvh_start_xen

	.code64
	.type pvh_start_64, @function
pvh_start_64:
	.cfi_startproc
	.cfi_undefined rip
	/*
	 * 4. C code is linked at its kernel virtual address, so it is called there. This code and the stack still use
	 * physical addresses, through the identity map. There is no IDT, so any fault in xen_prepare_pvh is a triple
	 * fault: the machine resets without a message.
	 */
	mov $xen_prepare_pvh, %rax
	call *%rax

	/* All x86 boot protocols continue here, with the physical address of struct boot_params in RSI. */
	mov $pa(pvh_bootparams), %esi
	jmp startup_64
	.cfi_endproc
	.size pvh_start_64, . - pvh_start_64

	/* Jump from the physical address to the kernel virtual address. */
	.globl startup_64
	.type startup_64, @function
startup_64:
	.cfi_startproc
	.cfi_undefined rip
	mov $high, %rax
	jmp *%rax
high:
	mov $early_stack_end, %rsp
	lgdt gdt_pointer_high(%rip)

	/* Remove the identity map: after this, any access through a null pointer faults. */
	movq $0, top_page_table(%rip)
	mov %cr3, %rax
	mov %rax, %cr3

	mov %rsi, %rdi
	call x86_64_start_kernel
	ud2
	.cfi_endproc
	.size startup_64, . - startup_64

/*
 * Page tables. Each level is one page of 512 entries. An entry holds the physical address of the next level or page.
 *
 *   top_page_table[0]     0x0000000000000000   identity map      \
 *   top_page_table[273]   0xffff888000000000   direct map         > all three map the first GiB of physical memory
 *   top_page_table[511]   0xffffffff80000000   kernel map        /
 */
#define PRESENT_WRITABLE	0x003
#define LARGE_PAGE		0x080		/* the entry maps a page of 2 MiB */

	.section .data.page_tables, "aw"
	.balign 4096
	.type top_page_table, @object
top_page_table:
	.quad pa(low_gib) + PRESENT_WRITABLE
	.skip 272 * 8
	.quad pa(low_gib) + PRESENT_WRITABLE
	.skip 237 * 8
	.quad pa(kernel_gib) + PRESENT_WRITABLE
	.size top_page_table, . - top_page_table

low_gib:
	.quad pa(first_gib_pages) + PRESENT_WRITABLE
	.skip 511 * 8

kernel_gib:
	.skip 510 * 8
	.quad pa(first_gib_pages) + PRESENT_WRITABLE
	.skip 8

first_gib_pages:
	number = 0
	.rept 512
	.quad (number << 21) + LARGE_PAGE + PRESENT_WRITABLE
	number = number + 1
	.endr

	/* 64-bit mode needs only two flat segments. */
	.section .rodata, "a"
	.balign 8
gdt:
	.quad 0
	.quad 0x00af9a000000ffff			/* KERNEL_CS: 64-bit code */
	.quad 0x00cf92000000ffff			/* KERNEL_DS */
gdt_end:

gdt_pointer_low:
	.word gdt_end - gdt - 1
	.long pa(gdt)

gdt_pointer_high:
	.word gdt_end - gdt - 1
	.quad gdt

	.section .bss.early_stack, "aw", @nobits
	.balign 16
	.skip 16384
early_stack_end:

/*
 * ELF notes with the owner "Xen". A note is three words (size of the owner's name, size of the descriptor, type), then
 * the name and the descriptor, each padded to 4 bytes. The note of type 18 makes this file bootable via PVH.
 */
#define XEN_ELFNOTE_GUEST_OS		6
#define XEN_ELFNOTE_GUEST_VERSION	7
#define XEN_ELFNOTE_PHYS32_ENTRY	18

	.macro xen_note type, directive, description:vararg
	.balign 4
	.long 2f - 1f
	.long 4f - 3f
	.long \type
1:	.asciz "Xen"
2:	.balign 4
3:	\directive \description
4:	.balign 4
	.endm

	.section .note.Xen, "a", @note
	xen_note XEN_ELFNOTE_GUEST_OS, .asciz, "pvhdbg teaching guest"
	xen_note XEN_ELFNOTE_GUEST_VERSION, .asciz, "1"
	xen_note XEN_ELFNOTE_PHYS32_ENTRY, .quad, pa(pvh_start_xen)

	.section .note.GNU-stack, "", @progbits
