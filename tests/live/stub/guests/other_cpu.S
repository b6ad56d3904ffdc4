/* A PVH guest that starts the second CPU. That CPU reaches `arrival` again and again; with DIES, it then dies. */
	.section .note.Xen, "a", @note
	.balign 4
	.long 4, 4, 18
	.asciz "Xen"
	.long start

	.text
	.code32
	.globl start, arrival
start:
	movl $trampoline, %esi
	movl $0x8000, %edi
	movl $(trampoline_end - trampoline), %ecx
	rep movsb
	movl $0xfee00000, %ebx
	movl $0x1ff, 0xf0(%ebx)		/* enable the local APIC */
	movl $0xc4500, 0x300(%ebx)	/* INIT to all others */
	movl $0x1000000, %ecx
1:	loop 1b
	movl $0xc4608, 0x300(%ebx)	/* start them at 0x8000 */
2:	cli
	hlt
	jmp 2b

arrival:
	nop
#ifdef DIES
	lidt no_idt
	ud2
no_idt:	.quad 0
#else
	jmp arrival
#endif

	.code16
trampoline:
	cli
	lgdtl %cs:(gdtr - trampoline)
	movl %cr0, %eax
	orl $1, %eax
	movl %eax, %cr0
	ljmpl $8, $arrival
	.balign 8
gdt:	.quad 0, 0x00cf9a000000ffff
gdtr:	.short 15
	.long gdt
trampoline_end:
