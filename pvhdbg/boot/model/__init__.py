"""The reference model: what the kernel should make of start_info, the modules and the map. Pure.

expected         from the handover to every byte of boot_params
kernel_behavior  how this kernel behaves where versions differ
zero_page        struct boot_params while the model fills it in
overrun          what happens if the map has more entries than boot_params has room for
predicted        a death that the model predicts
e820_sanitize    from the map in boot_params to the kernel's e820_table
difference       where a kernel's boot_params differs from the model

Start with expected. Of boot only stop is imported here.
"""
