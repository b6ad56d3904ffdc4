"""HTML pages that need no other file, no network and no scripts.

shell     the frame of a page: its head, style, script and security policy
look      the style of pages: light, dark and printed
picture   a page with one picture, and the same as text
report    a page with a whole run
stops     its stages, with a table for each structure
findings  its findings, with their explanations
writers   who wrote and who reads each field
row_table  rows as a table
anchors   the targets of links

Start with shell.
"""
