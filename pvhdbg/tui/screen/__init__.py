"""The whole screen as one frozen value, and how events change it. Nothing here draws or waits.

state         Screen and its parts
events        what the machine thread reports
update        (Screen, event) -> Screen
changes       what differs from the previous stop
findings      the findings of the capture on the screen
finding_rows  which row a finding belongs to
view_rows     the rows of each view
code_at       the code of the current stop, a past one or a recording
fields_at     which fields lie in a range of memory
memory_at     what lies at a physical address
scrollback    the output of gdb and of the guest, bounded
line          lines of styled text
by_id         a cache key that compares by identity

Start with state.
"""
