/*
 * The exception handlers: one short entry per vector, because the CPU does not pass the vector. For some vectors the
 * CPU pushes an error code; for the others the entry pushes a 0, so that the stack layout is always the same.
 */
#define HAS_ERROR_CODE		0x60227d00	/* one bit per vector: 8, 10-14, 17, 21, 29, 30 */

	.text
	.globl exception_entries
	.type exception_entries, @function
	.balign 16
exception_entries:
	vector = 0
	.rept 32
	.balign 16				/* exceptions.c relies on this size */
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
	call report_exception			/* does not return */
	.size exception_common, . - exception_common

	.section .note.GNU-stack, "", @progbits
