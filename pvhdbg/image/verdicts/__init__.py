"""Verdicts of the pre-start check: what is wrong with a kernel file, the cause, and a fix that was tested.

verdict           one result of the pre-start check
note_verdicts     the ELF notes: no entry, the wrong entry, or one that only QEMU finds
segment_verdicts  the segments and the entry: where they are loaded, linked and entered
unread_notes      find notes that no loader reads: damaged ones, and ones outside of note segments

Start with note_verdicts. `preflight` adds the verdicts about the boot protocol, the machine and the command line.
"""
