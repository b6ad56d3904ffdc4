/* The few words every file needs: integers of known size, ways through the address maps, and how to give up. */
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

/* A function of its own, whatever the optimiser would like: something to set a breakpoint on. */
#define visible_step		__attribute__((noipa))

/* Physical to virtual, through the direct map. Nothing is checked: an address past its end faults when it is used. */
#define __va(paddr)		((void *)((u64)(paddr) + DIRECT_MAP))

/* An invalid instruction. With no IDT yet it resets the machine, and nobody is told: how an early BUG ends in Linux. */
#define BUG()			do { __asm__ volatile("ud2"); __builtin_unreachable(); } while (0)

void *memset(void *to, int byte, size_t size);
void *memcpy(void *to, const void *from, size_t size);

#endif
