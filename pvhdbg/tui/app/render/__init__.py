"""Write lines to the terminal.

body          a prompt_toolkit window that draws lines
changed_rows  draws the changed rows of a frame in place of prompt_toolkit
renderer      draws only the lines of the bodies if nothing else has changed
"""
