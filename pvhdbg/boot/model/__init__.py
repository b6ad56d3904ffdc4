"""The reference model: what the kernel should make of start_info, the modules and the memory map. Pure functions.

expected         compute every byte of struct boot_params from the boot data that the VMM passed
kernel_behavior  what this kernel does where kernel versions differ
zero_page        struct boot_params while the model fills it in
overrun          whether a memory map that overflows boot_params kills the kernel
predicted        a death that the model predicts
e820_sanitize    compute the kernel's e820_table from the map in boot_params
difference       where the kernel's boot_params differs from the model's

Start with expected. From boot, only stop is imported here.
"""
