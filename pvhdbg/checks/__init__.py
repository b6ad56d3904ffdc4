"""The rules: functions from what was captured to findings. Pure: the same live, in gdb and on a recording.

finding    a Finding: code, severity, message, field, address
case       what a rule may ask
rules      the table of rules; `@rule` adds to it
run        every rule over a run
handover/  rules about what the VMM handed over
kernel/    rules about the kernel: its file, its boot_params, its e820 table
outcome/   rules about how the run ended

Start with rules. Nothing here imports target.
"""
