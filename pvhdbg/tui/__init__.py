"""The screen: one frozen Screen, panes that are functions of it, and one thread that owns gdb."""
