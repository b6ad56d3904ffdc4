/* Definitions that every file needs: integers of fixed size, address conversion, and BUG(). */
#ifndef TYPES_H
#define TYPES_H

#include "layout.h"

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef unsigned long size_t;

#define bool	_Bool
#define true	1
#define false	0

#define packed	__attribute__((packed))

/* Prevent inlining, so that a breakpoint can be set on the function. */
#define visible_step		__attribute__((noipa))

/* Convert a physical to a virtual address in the direct map, unchecked: accessing memory past the map's end faults. */
#define __va(paddr)		((void *)((u64)(paddr) + DIRECT_MAP))

/* An invalid instruction. Without an IDT it resets the machine without a message, like an early BUG in Linux. */
#define BUG()			do { __asm__ volatile("ud2"); __builtin_unreachable(); } while (0)

void *memset(void *to, int byte, size_t size);
void *memcpy(void *to, const void *from, size_t size);

#endif
