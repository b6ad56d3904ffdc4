/* Functions that run after the PVH entry. */
#ifndef KERNEL_H
#define KERNEL_H

#include "types.h"

/* main.c */
__attribute__((noreturn)) void halt(void);
__attribute__((noreturn)) void start_kernel(void);
__attribute__((noreturn)) void x86_64_start_kernel(u64 boot_params_paddr);

/* exceptions.c */
void exceptions_init(void);

#endif
