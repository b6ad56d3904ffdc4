"""The prompt_toolkit application: keys and events come in, drawn screens go out.

start          the entry points: a live machine or a recording
app            the application
dispatcher     runs the action of a key, and lines typed by the user
actions        actions that change only the screen
selection      what the selected row stands for, and the search
popups         actions in popups: the list of keys, the palette, explanations, the last chain of `who`
tour           the tour: which card comes next, and where the screen goes
trail          the places to which Backspace returns, and the place of a finding's field
bindings       prompt_toolkit's key bindings
windows        the layout of prompt_toolkit's windows
mouse          what a click and the wheel do
files          the files that the screen writes: settings, and the saved screen
render         writes lines to the terminal
prompt         the prompt's history and completion
prompt_label   the text before the prompt
first_picture  the first screen, drawn before prompt_toolkit is imported
style          the styles in prompt_toolkit's format
colors         the palette

Start with start. Only windows and app import dispatcher, and only start imports app.
"""
