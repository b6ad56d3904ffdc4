"""Rules about what the VMM handed over.

start_info   PVH101 to PVH111
entry_state  PVH120 to PVH127: the CPU at the entry
memmap       PVH201 to PVH212
modules      PVH301 to PVH312
cmdline      PVH320 to PVH324
rsdp         PVH330 to PVH332
placement    PVH340 to PVH342: what overlaps what
protocol     PVH601 to PVH603: a VMM and a kernel that speak different protocols
"""
