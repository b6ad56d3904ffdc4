"""What every pane is drawn with. Nothing here knows the Screen.

line     a line of styled text: cut, filled and cleaned for a terminal
signs    the characters that panes draw with, and their ASCII forms
classes  the style classes, and what each one marks
"""
