/* The first serial port as a console. main.c sets it up; nothing is printed earlier. */
#ifndef CONSOLE_H
#define CONSOLE_H

#include "types.h"

/* serial.c */
void serial_init(void);
void serial_put(char c);

/* printk.c */
void print_escaped(const char *text, u32 limit);
__attribute__((format(printf, 1, 2))) void printk(const char *format, ...);

#endif
