/*
 * The first instructions.
 *
 * Whoever starts us (QEMU, say) has put the kernel file's segments into memory, found the note at the end of this file,
 * and jumped to the address in it. The CPU is in 32-bit protected mode without paging: an address is a physical
 * address. Interrupts are off. EBX holds the physical address of struct hvm_start_info. No other register means
 * anything; there is not even a stack.
 *
 * From here to the first line of C takes four steps: keep a copy of start_info, turn on paging, switch to 64 bits, call.
 */
#include "layout.h"

/* The linker places every symbol high, at its kernel virtual address. This is where the symbol's bytes really lie. */
#define pa(symbol)		((symbol) - KERNEL_MAP)

#define CR0_PE			0x00000001	/* protected mode */
#define CR0_PG			0x80000000	/* paging */
#define CR4_PAE			0x20		/* page table entries of 8 bytes, needed for 64 bits */
#define MSR_EFER		0xc0000080
#define EFER_LME		0x100		/* 64-bit mode, as soon as paging is on */

	.cfi_sections .debug_frame	/* .cfi_undefined rip, below, ends a debugger's backtrace: nobody called us */

	.section .head.text, "ax"

	.code32
	.globl pvh_start_xen
	.type pvh_start_xen, @function
pvh_start_xen:
	cld

	/* The VMM's segments will do for these few lines, but its GDT may lie in memory we are going to reuse. */
	lgdt pa(gdt_pointer_low)
	mov $KERNEL_DS, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %ss

	/* 1. The copy that all later code reads. */
	mov %ebx, %esi
	mov $pa(pvh_start_info), %edi
	mov $START_INFO_SIZE / 4, %ecx
	rep movsl

	mov $pa(early_stack_end), %esp

	/* 2. and 3. Paging on the tables below; with EFER.LME set, that enters 64-bit mode. */
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

	/* Still 32-bit code: what decides is the code segment. */
	ljmp $KERNEL_CS, $pa(pvh_start_64)
	.size pvh_start_xen, . - pvh_start_xen

	.code64
	.type pvh_start_64, @function
pvh_start_64:
	.cfi_startproc
	.cfi_undefined rip
	/*
	 * 4. C code is linked for its kernel virtual address, so it is called there, while this code and the stack are
	 * still at their physical addresses: all three maps are in place. No IDT exists, so whatever goes wrong in
	 * xen_prepare_pvh resets the machine without a word.
	 */
	mov $xen_prepare_pvh, %rax
	call *%rax

	/* Every x86 boot protocol meets here: RSI is the physical address of struct boot_params. */
	mov $pa(pvh_bootparams), %esi
	jmp startup_64
	.cfi_endproc
	.size pvh_start_64, . - pvh_start_64

	/* From the low address to the high one, for good. */
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

	/* The identity map goes: from now on a stray small pointer faults instead of reading something. */
	movq $0, top_page_table(%rip)
	mov %cr3, %rax
	mov %rax, %cr3

	mov %rsi, %rdi
	call x86_64_start_kernel
	ud2
	.cfi_endproc
	.size startup_64, . - startup_64

/*
 * Page tables. Each level is one page of 512 entries; an entry holds the physical address of what comes next.
 *
 *   top_page_table[0]     0x0000000000000000   identity map      \
 *   top_page_table[273]   0xffff888000000000   direct map         > all three show the first GiB of physical memory
 *   top_page_table[511]   0xffffffff80000000   kernel map        /
 */
#define PRESENT_WRITABLE	0x003
#define LARGE_PAGE		0x080		/* the entry maps 2 MiB itself */

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

	/* Two flat segments, as many as 64-bit mode needs. */
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
 * ELF notes with the owner "Xen". A note is three words (size of the owner's name, size of the description, type), the
 * name and the description, each padded to 4 bytes. Type 18 is what makes this file bootable by PVH.
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
