"""Going back: snapshots of pvhdbg's own machine at its stops, and the way back to earlier moments.

snapshot_list      the snapshots that are kept
snapshot_debuggee  a debuggee that takes snapshots, and can restore them
replay             run the machine again from a snapshot, while gdb is disconnected
last_step          find the instruction before a place, or the one that killed the guest
last_store         find the last store to some bytes before a place
last_hit           find the last hit of gdb's breakpoints before a place
places             the bytes that the user asks about, and whether the machine is at a place
going_back         a debuggee that goes back to its snapshots, and to the moments between

Besides abi, errors and guest, imports live's other folders, boot, image and target. Start with going_back.
"""
