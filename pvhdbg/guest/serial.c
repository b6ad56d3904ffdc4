/*
 * The first serial port of a PC: eight I/O ports starting at 0x3f8. A byte is sent by writing it to the first port when
 * the line status shows that the previous byte has been sent. Interrupts and input are not used.
 */
#include "console.h"

#define COM1			0x3f8
#define DATA			(COM1 + 0)	/* while DIVISOR_ACCESS is set: the divisor's low byte */
#define INTERRUPT_ENABLE	(COM1 + 1)	/* while DIVISOR_ACCESS is set: its high byte */
#define LINE_CONTROL		(COM1 + 3)
#define LINE_STATUS		(COM1 + 5)

#define DIVISOR_ACCESS		0x80
#define EIGHT_BITS_NO_PARITY	0x03
#define READY_TO_SEND		0x20

static void out(u16 port, u8 value)
{
	__asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static u8 in(u16 port)
{
	u8 value;

	__asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

void serial_init(void)
{
	out(LINE_CONTROL, DIVISOR_ACCESS);
	out(DATA, 1);			/* 115200 baud */
	out(INTERRUPT_ENABLE, 0);
	out(LINE_CONTROL, EIGHT_BITS_NO_PARITY);
	out(INTERRUPT_ENABLE, 0);
}

void serial_put(char c)
{
	if (c == '\n')
		serial_put('\r');
	while (!(in(LINE_STATUS) & READY_TO_SEND))
		;
	out(DATA, c);
}
