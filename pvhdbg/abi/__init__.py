"""C layouts of the PVH boot ABI as tables: offset, name, meaning. No I/O, and no imports from the rest of pvhdbg.

layout           Struct, Field, u8…u64, OpenEnum, Bits: how a table is written. Start here
start_info       hvm_start_info, hvm_modlist_entry, hvm_memmap_table_entry
boot_params      struct boot_params, the zero page
setup_header     `hdr` in boot_params: the header of a bzImage
zero_page_parts  the other structures nested in boot_params
e820             the e820 types, boot_e820_entry, e820_table
paging           how the processor translates virtual addresses with page tables
cpu              registers, control bits, CPU modes, and the CPU state that the ABI requires at the entry
alignment        round addresses and sizes up
firmware_tables  the RSDP, the MP table and the SMBIOS entry point, found by their signatures
notes            Xen's ELF notes
ramdisk          the format of a ramdisk, from its first bytes
printk           the ring buffer that holds the kernel's log
c_integer        C integer constants as users type them
text             untrusted bytes and strings, escaped for a terminal
segments         segment descriptors, and the tables that hold them
roles            which programs write and read each field
"""
