"""What each virtual machine monitor (VMM) hands over at a PVH entry, as data: one file for each VMM.

table             the names of the profiles, and how to get one
profile           the types: Profile, Layout, Loader, Boot, Places
cpu_state         the CPU state at the entry: Segment, CpuState
rust_vmm          what VMMs share that follow the rust-vmm reference: GDT, segments, the initrd's place
xen               what the two builders of Xen share
firecracker       Firecracker
cloud_hypervisor  Cloud Hypervisor
libkrun           libkrun
alioth            Alioth
gokvm             gokvm
openvmm           OpenVMM
rfc2017           QEMU's prototype of 2017, without firmware
xen_domu          Xen, a PVH guest
xen_dom0          Xen, a PVH dom0
qemu              QEMU with the firmware of its machine: nothing is changed

Only abi is imported. Nothing here accesses a machine: pvhdbg.boot.handover does. Start with profile, then firecracker.
"""
