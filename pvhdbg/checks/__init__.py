"""The rules: pure functions from captures to findings. They run the same live, inside gdb and on a recording.

finding    Finding: a rule's code, a severity, a message, a field and an address
case       Case: everything that a rule can look at
rules      the table of rules; the decorator `@rule` adds to it
run        run the rules over one stop or over a whole run
handover/  rules about what the VMM passed to the kernel
kernel/    rules about the kernel: its file, its boot_params, its e820_table
outcome/   rules about how the run ended

Start reading at rules. Nothing in this package imports target.
"""
