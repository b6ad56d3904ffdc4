"""Rules about how a run ended.

death    PVH900 to PVH911: why the guest died or did not reach the next stage
other_guests  PVH930 to PVH935: why a guest that is not Linux died
absent_memory  PVH937: the guest wrote where the VMM has no memory, although QEMU has
on_xen   PVH936: why a dom0 of Xen died, if neither its kernel nor Xen has a defect
fault    page walks and instructions that load a segment register, for `other_guests`
watched  PVH912 to PVH916: what the guest did after the last stage
kernel_log  PVH920 to PVH922: panics, BUGs and warnings in the kernel's own log
failure  facts about the failure that these rules share: the death, the code at RIP, the condition that failed
"""
