"""What a PVH boot is: its stages, what is in memory at each, and what the kernel should make of it.

stop/     one stop, read and decoded. Start with `capture.py`, then `read.py`.
log/      the kernel's own log, decoded from guest memory.
who/      who wrote and who reads each field, from the instructions that were observed.
model/    what the kernel should make of its input, computed without a machine.
record/   a whole run as a document, decoded again from a recording, and compared.
handover/ what another VMM would hand over: `--vmm`.
lab/      changes to the boot data at the entry: `--protocol` and `--set`.
run/      run from one stage to the next, using a Target and a Runner.
session/  what commands query: a live machine or a recording.

Imports go from session down to stop. From outside boot, only abi, vmm_profiles, image, target and errors are imported.
"""
