"""What each virtual machine monitor (VMM) hands over at a PVH entry, as data: one file for each VMM.

table            the names of the profiles, and how to get one
profile          the types: Profile, Layout, Boot, Places
cpu_state        the CPU state at the entry: Segment, CpuState
rust_vmm         what the VMMs have in common that follow the rust-vmm reference: the GDT, the IDT, the segments
firecracker      Firecracker
qemu             QEMU with the firmware of its machine: nothing is changed

Only abi is imported. Nothing here accesses a machine: pvhdbg.boot.handover does. Start with profile, then firecracker.
"""
