"""Rules about what the VMM passed to the kernel.

start_info   PVH101 to PVH111: struct hvm_start_info
entry_state  PVH120 to PVH129: the CPU's registers at the entry
memmap       PVH201 to PVH212: the memory map
modules      PVH301 to PVH314: the module list
cmdline      PVH320 to PVH325: the command line
rsdp         PVH330 to PVH333: the ACPI root pointer
placement    PVH340 to PVH344: regions that overlap or were overwritten, and structures in the wrong memory
protocol     PVH601 to PVH603: a VMM and a kernel that use different protocols
guests       PVH611 to PVH621: what only one guest demands or ignores
"""
