"""What the tour and the labs have in common: text that teaches, in Markdown files with a front matter.

front_matter  reads such a file, and reports errors with file and line

What a student did is remembered by pvhdbg.state_files. Start with front_matter.
"""
