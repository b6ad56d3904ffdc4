"""Screen -> lines of styled text. Pure functions.

frame        the whole screen above the prompt. Start here
layout       how panes share the terminal
boxes        borders and tabs
panes        a view in its frame
headings     the first line of each view
row_lines    rows as lines
code_pane    code, hex dumps and the serial console
memory_pane  memory drawn to scale
state_lines  the two lines at the top
detail       the detail of the selected row
legend       the last line: what the keys do
popups       the key list and the question before quitting
keys         the table of keys
signs        the characters that panes draw with, and their ASCII forms
classes      the style classes

Of tui only screen is imported here.
"""
