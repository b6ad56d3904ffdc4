/* A PVH guest that is not Linux and dies as DEATH says. It has page tables for the first GiB, and no IDT. */
	.section .note.Xen, "a", @note
	.balign 4
	.long 4, 4, 18
	.asciz "Xen"
	.long start

	.section .tables, "aw", @nobits
	.balign 4096
pml4:	.space 4096
pdpt:	.space 4096
	.space 4096
stack:

	.section .high, "aw"
guard:	.quad 0x1234

	.text
	.code32
	.globl start
start:
#if DEATH == BAD_SELECTOR
	lgdt gdtr
	movl $0x20, %eax
	movl %eax, %ds
#elif DEATH == NO_GDT
	ljmp $0xf8, $1f
1:
#elif DEATH == OVERWRITTEN
	movl $start, %esp
1:	hlt
	jmp 1b
	.org 0x9000, 0x90
#else
#if DEATH == NO_STACK
	xorl %esp, %esp
#else
	movl $stack, %esp
#endif
	movl $pdpt + 3, pml4
	movl $0x83, pdpt
	movl $pml4, %eax
	movl %eax, %cr3
	movl %cr4, %eax
	orl $0x20, %eax
	movl %eax, %cr4
	movl $0xc0000080, %ecx
	rdmsr
	orl $0x100, %eax
	wrmsr
	movl %cr0, %eax
	orl $0x80000000, %eax
	movl %eax, %cr0
	lgdt gdtr
	ljmp $8, $1f
	.code64
#if DEATH == NO_STACK
1:	call 2f
2:	hlt
#elif DEATH == NOT_MAPPED
1:	movq guard, %rax
#elif DEATH == UNMAPPED
1:	movl 0x40000000, %eax
#elif DEATH == ABORTED
1:	movl $said, %esi
	movl $0x3f8, %edx
2:	lodsb
	testb %al, %al
	jz 3f
	outb %al, %dx
	jmp 2b
3:	ud2
said:	.asciz "starting\nno RSDP: giving up\n"
#endif
#endif
	.balign 8
gdt:	.quad 0, 0x00af9a000000ffff, 0x00cf92000000ffff
gdtr:	.short 23
	.long gdt
