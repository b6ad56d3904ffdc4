"""The whole screen as one frozen value, and what follows from it. Nothing here draws, waits, or names a view.

state         Screen and its parts. Start here
changes       what changed since the previous stop
findings      the findings of the capture that is shown
finding_rows  which row a finding is about
code_at       the code at the stop that is shown
memory_at     what kind of memory an address is in
scrollback    the output of gdb and of the guest, bounded
by_id         a cache key that compares by identity
"""
