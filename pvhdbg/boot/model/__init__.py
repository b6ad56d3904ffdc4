"""The reference model: what the kernel should make of start_info, the modules and the memory map. Pure.

expected         from what was handed over to every byte of boot_params
kernel_behavior  what this kernel does where versions differ
zero_page        struct boot_params while the model fills it in
overrun          whether a map with too many entries for boot_params kills the kernel
predicted        a death that the model predicts
e820_sanitize    from the map in boot_params to the kernel's e820_table
difference       where a kernel's boot_params differs from the model's

Start with expected. In boot, only stop is imported here.
"""
