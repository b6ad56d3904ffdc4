"""The whole screen as one frozen value, and values computed from it. Nothing here draws, waits, or depends on views.

state         Screen and its parts. Start here
changes       what changed since the previous stop
findings      the findings of the displayed capture and of earlier stages
ending        how a guest ended without dying
finding_rows  which row a finding is about
moments       what the screen shows at a step of a trace
step_shown    the number of the displayed step
code_at       the code at the displayed stop
recorded_code the code at a recorded stop
memory_at     what kind of memory is at an address
scrollback    the last lines that gdb and the guest wrote
tour          the tour: its cards, and the one that is shown
kept          keeps what was drawn until something that it shows changes
by_id         a cache key that compares by identity
"""
