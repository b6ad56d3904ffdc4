/*
 * Where the CPU goes when an exception strikes: one short entry each, because it does not say which one it was. With
 * some it pushes an error code; for the others we push a 0, so that the stack always looks the same.
 */
#define HAS_ERROR_CODE		0x60227d00	/* one bit a vector: 8, 10-14, 17, 21, 29, 30 */

	.text
	.globl exception_entries
	.type exception_entries, @function
	.balign 16
exception_entries:
	vector = 0
	.rept 32
	.balign 16				/* exceptions.c counts on this size */
	.if !(HAS_ERROR_CODE >> vector & 1)
	pushq $0
	.endif
	pushq $vector
	jmp exception_common
	vector = vector + 1
	.endr
	.balign 16
	.size exception_entries, . - exception_entries

	.type exception_common, @function
exception_common:
	mov %rsp, %rdi
	and $-16, %rsp
	cld
	call report_exception			/* and nobody comes back */
	.size exception_common, . - exception_common

	.section .note.GNU-stack, "", @progbits
