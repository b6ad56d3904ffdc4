"""prompt_toolkit: events in, keys in, pictures out.

start          the way in: a live machine or a recording
app            the application
dispatcher     what keys and typed lines do to the machine
actions        what keys do to the screen
bindings       keys as prompt_toolkit names them
windows        the layout in prompt_toolkit's terms
body           a window that draws the Screen
prompt         the gdb prompt: history and completion
prompt_label   the text before the prompt
first_picture  the first picture, painted before prompt_toolkit is imported
style          the style classes as prompt_toolkit takes them
colors         the palette

Start with start.
"""
