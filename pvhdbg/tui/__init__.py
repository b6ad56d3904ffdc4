"""The screen: one frozen Screen, panes that are functions of it, and one thread that owns gdb.

screen/   the state as a frozen value, and how events change it
draw/     Screen -> lines of styled text
machine/  the thread that owns gdb, and its requests and events
app/      prompt_toolkit: windows, keys, the prompt; and the start

app imports machine and draw, both import screen. Start with screen/state.py.
"""
