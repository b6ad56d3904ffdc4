"""Hand over to the guest what another VMM would, while the guest is stopped at its entry.

handover      the bytes, the moves and the CPU state of a handover, which the other modules make or use
from_profile  make a handover from a VMM's profile and from what QEMU handed over
from_capture  make a handover from a captured entry, such as that of a recording
acpi_tables   QEMU's ACPI tables, moved to another address
trampoline    the guest code that moves memory and sets the registers that no gdb stub can set
differences   what differs between two handovers, and handovers that have only some of it
mixed         a handover between those of two sources
bisect        find the fewest differences that make a boot fail
bisected      the result of that search
apply         write a handover to the machine, and run the trampoline

Start with handover, then apply.
"""
