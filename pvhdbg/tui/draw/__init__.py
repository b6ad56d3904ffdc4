"""Screen -> lines of styled text. Pure functions.

frame        the whole screen above the prompt. Start here
layout       how panes share the terminal
boxes        borders and tabs
panes        a view in its frame
headings     the first line of a view
memory_pane  memory drawn to scale
text_lines   gdb's output and the guest's serial output, wrapped
state_lines  the two lines at the top
context_strip  the next instruction, what it accesses, and the registers that changed
detail       the explanation of the selected row
fields_at    which fields lie in a range of memory
legend       the last line of the screen, which shows what the keys do
popups       the popups: keys, palette, explanations, the question before quitting
tour         the tour's card
whole_view   all rows of a view as text
targets      what is drawn at a place, for the mouse
keys         the table of keys
"""
