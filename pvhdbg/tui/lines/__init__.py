"""Building blocks for drawing panes. Nothing here depends on the Screen.

line     a line of styled text: cut, filled and cleaned for a terminal
signs    the characters that panes draw with, and their ASCII replacements
highlight  source lines and instructions in colors
classes  the style classes, and what each one marks
"""
