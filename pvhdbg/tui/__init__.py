"""The screen: one frozen Screen, panes that are functions of it, and one thread that owns gdb.

lines/    styled text, signs and style classes
screen/   the state as a frozen value, and values computed from it
views/    the table of views, one file for each view
events/   how events change the screen
draw/     Screen -> lines of styled text
machine/  the thread that owns gdb, and its requests
app/      prompt_toolkit: windows, keys, the prompt; and the start

Each package imports only packages above it in this list; draw and machine don't import each other. Start with
screen/state.py and views/table.py.
"""
